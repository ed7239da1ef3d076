import assert from "node:assert/strict";
import { test } from "node:test";
import { requestView } from "../../test/request-view.ts";
import fixed from "./static.ts";

const limits = { tokens: 64, sequences: 8 };
const policy = fixed.create({ batchMax: 2 });

test("nobody joins a batch that runs, though there is room", () => {
  const running = [requestView(1, { work: 1, decoding: true, started: true })];
  const waiting = [requestView(2, { work: 5 })];
  assert.deepEqual(
    policy.next({ now: 0, running, waiting, limits }).map((g) => g.request),
    [1],
  );
});

test("when all have ended, the next batch is filled", () => {
  const waiting = [2, 3, 4].map((id) => requestView(id, { work: 5 }));
  assert.deepEqual(
    policy.next({ now: 0, running: [], waiting, limits }).map((g) => g.request),
    [2, 3],
  );
});

test("a member that was preempted still belongs to the batch", () => {
  const running = [requestView(1, { work: 1, decoding: true, started: true })];
  const waiting = [requestView(2, { work: 5, started: true }), requestView(3, { work: 5 })];
  assert.deepEqual(
    policy.next({ now: 0, running, waiting, limits }).map((g) => g.request),
    [1, 2],
  );
});
