import assert from "node:assert/strict";
import { test } from "node:test";
import none from "./none.ts";

test("guesses nothing, and looks nothing up", () => {
  const sequence = { request: 1, choice: 0, tokensLeft: 9, proposed: 0, accepted: 0 };
  assert.deepEqual(none.create({}).drafts({ sequences: [sequence, sequence], tokensLeft: 64 }), [0, 0]);
  assert.equal(none.create({}).lookup, undefined);
});
