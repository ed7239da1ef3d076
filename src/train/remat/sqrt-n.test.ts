import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryView } from "../memory.ts";
import sqrtN from "./sqrt-n.ts";

const search = sqrtN.create({ segments: 0 });
/** Of what a plan takes beyond what is there before the step. */
const peak = (view: MemoryView, drops = search.drops(view)): number => {
  const bound = view.tensors.reduce((sum, t) => sum + (t.producer === undefined ? t.bytes : 0), 0);
  return price({ ...view, capacity: 1e9 }, { ...keepAll, drops })!.peakBytes - bound;
};

test("four times as many layers take about twice the memory, and at most one more forward part", () => {
  const [few, many] = [8, 32].map((depth) => plainNetwork(depth, { capacity: 64 }));
  assert.ok(peak(many!, []) > 3.5 * peak(few!, []));
  assert.ok(peak(many!) < 2.5 * peak(few!), `${peak(few!)}, ${peak(many!)}`);
  const { recomputeSeconds } = price({ ...many!, capacity: 1e9 }, { ...keepAll, drops: search.drops(many!) })!;
  const forward = many!.units.slice(0, many!.turn).reduce((sum, u) => sum + u.seconds, 0);
  assert.ok(recomputeSeconds > 0.5 * forward && recomputeSeconds <= forward);
});

test("a segment keeps its end and drops its inside; the last segment is kept", () => {
  const view = plainNetwork(4);
  const dropped = sqrtN
    .create({ segments: 2 })
    .drops(view)
    .map((d) => view.tensors[d.tensor]!.name);
  assert.deepEqual(dropped, ["conv0", "act0", "conv1"]);
});

test("where everything fits nothing is computed again", () => {
  assert.deepEqual(search.drops(plainNetwork(8)), []);
});
