import assert from "node:assert/strict";
import { test } from "node:test";
import { checkClaim, rigOf } from "../rig.ts";

const rig = rigOf("compile/pass");

test("taso keeps its claim, with every bit of what was captured", async () => {
  const checked = await checkClaim("compile/pass", "taso");
  assert.ok(checked?.holds, JSON.stringify(checked));
});

test("through graphs that cost more to one that costs less than any that greedy steps reach", async () => {
  const [none, greedy, taso] = await Promise.all([
    rig.measure("none", "sim", "three-sums"),
    rig.measure("taso", "sim", "three-sums", { alpha: 1 }),
    rig.measure("taso", "machine", "three-sums"),
  ]);
  assert.deepEqual([none!.calls, greedy!.calls, taso!.calls], [44, 32, 26]);
  // Priced by the rig, which knows nothing of what the pass assumes.
  const { microseconds } = await rig.measure("taso", "sim", "three-sums");
  assert.ok(microseconds! < none!.microseconds!);
});

test("a decoder has fewer calls and fewer barriers", async () => {
  const [none, taso] = await Promise.all(["none", "taso"].map((id) => rig.measure(id, "sim", "decoder")));
  // Of each of six layers, q, k and v are one product, and gate and up are one.
  assert.equal(none!.calls! - taso!.calls!, 6 * 3);
  assert.equal(none!.barriers! - taso!.barriers!, 6);
});

test("what the rig does not have is refused in words", async () => {
  await assert.rejects(rig.measure("taso", "sim", "nothing"), /There is no graph "nothing"/);
  await assert.rejects(rig.measure("taso", "machine", "decoder"), /only priced/);
});
