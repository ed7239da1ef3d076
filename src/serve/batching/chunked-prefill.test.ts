import assert from "node:assert/strict";
import { test } from "node:test";
import { requestView } from "../../test/request-view.ts";
import chunked from "./chunked-prefill.ts";

const limits = { tokens: 512, sequences: 64 };
const policy = chunked.create({ tokenBudget: 16, batchMax: 8 });

test("decodes come first, and a long prompt gets what they leave of the budget", () => {
  const running = [
    requestView(1, { work: 100, started: true }),
    requestView(2, { work: 1, decoding: true, started: true }),
  ];
  assert.deepEqual(policy.next({ now: 0, running, waiting: [], limits }), [
    { request: 2, tokens: 1 },
    { request: 1, tokens: 15 },
  ]);
});

test("a prompt already begun goes before a new one, which takes the rest", () => {
  const running = [requestView(1, { work: 10, started: true })];
  const waiting = [requestView(2, { work: 40 }), requestView(3, { work: 40 })];
  assert.deepEqual(policy.next({ now: 0, running, waiting, limits }), [
    { request: 1, tokens: 10 },
    { request: 2, tokens: 6 },
  ]);
});
