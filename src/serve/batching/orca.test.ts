import assert from "node:assert/strict";
import { test } from "node:test";
import { requestView } from "../../test/request-view.ts";
import orca from "./orca.ts";

const limits = { tokens: 64, sequences: 8 };
const policy = orca.create({ batchMax: 3 });

test("a request joins a batch that is already running, its whole prompt at once", () => {
  const running = [requestView(1, { work: 1, decoding: true, started: true })];
  const waiting = [requestView(2, { work: 30 })];
  assert.deepEqual(policy.next({ now: 0, running, waiting, limits }), [
    { request: 1, tokens: 1 },
    { request: 2, tokens: 30 },
  ]);
});

test("the batch is full at batchMax, and those who came first stay in it", () => {
  const running = [1, 2].map((id) => requestView(id, { work: 1, decoding: true, started: true }));
  const waiting = [3, 4].map((id) => requestView(id, { work: 5 }));
  assert.deepEqual(
    policy.next({ now: 0, running, waiting, limits }).map((g) => g.request),
    [1, 2, 3],
  );
});

test("only a prompt that no pass can hold is cut, to what the pass has left", () => {
  const running = [requestView(1, { work: 1, decoding: true, started: true })];
  const waiting = [requestView(2, { work: 100 })];
  assert.deepEqual(policy.next({ now: 0, running, waiting, limits })[1], { request: 2, tokens: 63 });
  const fits = [requestView(2, { work: 64 })];
  assert.equal(policy.next({ now: 0, running, waiting: fits, limits }).length, 1);
});
