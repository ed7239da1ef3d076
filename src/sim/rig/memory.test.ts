import assert from "node:assert/strict";
import { test } from "node:test";
import { offloads } from "../../train/offload.ts";
import { remats } from "../../train/remat.ts";
import { networkNames } from "../memory-graphs.ts";
import { checkClaim, rigOf } from "../rig.ts";

for (const slot of [remats, offloads]) {
  for (const id of slot.ids()) {
    test(`${slot.path}/${id} keeps its claim`, async () => {
      const checked = await checkClaim(slot.path, id);
      assert.ok(checked === undefined || checked.holds, JSON.stringify(checked));
    });
  }
}

test("every network is beyond its cap when nothing is done, and within it with each policy for offloading", async () => {
  for (const network of networkNames) {
    assert.equal((await rigOf("train/remat").measure("none", "sim", network)).fits, 0);
    for (const id of ["superneurons", "capuchin", "swapadvisor"]) {
      const { fits, heldBytes, capBytes } = await rigOf("train/offload").measure(id, "sim", network);
      assert.ok(fits === 1 && heldBytes! <= capBytes!, `${id} on ${network}`);
    }
  }
});

test("SuperNeurons' peak falls from liveness to offload to recomputation", async () => {
  const of = async (slot: string, id: string): Promise<number> =>
    (await rigOf(slot).measure(id, "sim", "transformer")).peakBytes!;
  const [kept, again, both] = [
    await of("train/remat", "none"),
    await of("train/remat", "superneurons"),
    await of("train/offload", "superneurons"),
  ];
  assert.ok(both! < 0.7 * again! && again! < 0.8 * kept!, `${kept}, ${again}, ${both}`);
});

test("a policy is counted for real too, with the parameters of training with room", async () => {
  const { fits, heldBytes, capBytes, outBytes } = await rigOf("train/offload").measure("capuchin", "machine", "resnet");
  assert.ok(fits === 1 && heldBytes! <= capBytes! && outBytes! > 0);
  assert.equal((await rigOf("train/remat").measure("none", "machine", "resnet")).fits, 0);
});
