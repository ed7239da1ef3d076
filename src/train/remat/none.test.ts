import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { remats } from "../remat.ts";

test("nothing is dropped, whatever the capacity", async () => {
  const policy = await remats.create("none");
  assert.deepEqual(policy.drops(plainNetwork(3, { capacity: 64 })), []);
});
