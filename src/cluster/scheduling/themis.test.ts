import assert from "node:assert/strict";
import { test } from "node:test";
import { measureCluster } from "../../sim/rig/cluster.ts";

test("the worst finish-time fairness is far below that of attained service, and not by chance of a seed", async () => {
  for (const seed of [1, 2]) {
    const [themis, tiresias] = [
      await measureCluster("themis", "philly-like", {}, seed),
      await measureCluster("tiresias", "philly-like", {}, seed),
    ];
    assert.equal(themis.finished, themis.jobs);
    assert.ok(
      themis.fairnessWorst! < tiresias.fairnessWorst!,
      `seed ${seed}: ${themis.fairnessWorst}, ${tiresias.fairnessWorst}`,
    );
  }
});

test("f trades fairness for efficiency: offering to all is less fair than offering to the worst-off", async () => {
  const worst = async (f: number): Promise<number> =>
    (await measureCluster("themis", "philly-like", { f }, 1)).fairnessWorst!;
  const [few, all] = [await worst(0.8), await worst(0)];
  assert.ok(few < all, `${few}, ${all}`);
});

test("without the auction's order, leases to whoever came first, it is less fair", async () => {
  const [themis, fifo] = [
    await measureCluster("themis", "philly-like", {}, 3),
    await measureCluster("fifo", "philly-like", {}, 3),
  ];
  assert.ok(themis.fairnessWorst! < fifo.fairnessWorst!, `${themis.fairnessWorst}, ${fifo.fairnessWorst}`);
});
