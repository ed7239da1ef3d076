import assert from "node:assert/strict";
import { test } from "node:test";
import none from "./none.ts";

test("functions stay as they are written, and nothing is made before it is asked for", () => {
  const policy = none.create({});
  const stages = policy.stages([{ kind: "map", map: "a" }, { kind: "cache" }, { kind: "map", map: "b" }]);
  assert.deepEqual(stages, [
    { maps: ["a"], grain: "record", cached: true },
    { maps: ["b"], grain: "record", cached: false },
  ]);
  assert.deepEqual(policy.settings(stages, undefined), [
    { parallelism: 0, buffer: 1 },
    { parallelism: 0, buffer: 1 },
  ]);
});
