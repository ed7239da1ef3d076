import assert from "node:assert/strict";
import { test } from "node:test";
import { launches } from "../../compile/launch.ts";
import { checkClaim, rigOf } from "../rig.ts";

const rig = rigOf("compile/launch");

for (const id of ["nimble", "rammer"]) {
  test(`${id} keeps its claim`, async () => {
    const checked = await checkClaim("compile/launch", id);
    assert.ok(checked?.holds, JSON.stringify(checked));
  });
}

test("placing small tasks beside each other raises utilisation where operations are small, and hardly where they are large", async () => {
  const gain = async (on: string): Promise<number> => {
    const [mine, theirs] = await Promise.all(["rammer", "conflict-barrier"].map((id) => rig.measure(id, "sim", on)));
    return mine!.utilisation4! / theirs!.utilisation4!;
  };
  assert.ok((await gain("branchy")) > 1.5);
  assert.ok((await gain("decode")) < 1.02);
});

test("a recorded list is one native call where dispatch takes one for each operation; counted on the machine", async () => {
  const measured = await Promise.all(launches.ids().map((id) => rig.measure(id, "machine")));
  const [barriers, nimble, perOp, rammer] = measured;
  const { calls } = await rig.measure("per-op", "sim");
  assert.equal(perOp!.nativeCalls, calls);
  for (const recorded of [barriers, nimble, rammer]) assert.equal(recorded!.nativeCalls, 1);
  // Only machine code counts its waits.
  if (perOp!.waits === undefined) return;
  assert.ok(nimble!.waits! < rammer!.waits! && rammer!.waits! < barriers!.waits! && barriers!.waits! < perOp!.waits);
});
