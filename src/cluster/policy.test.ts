import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterSlots, namePolicy, policyOf } from "./policy.ts";

test("slots that nobody names have their baselines", async () => {
  const { slots } = await namePolicy("first-fit");
  assert.deepEqual(slots, {
    "cluster/scheduling": "fifo",
    "cluster/scaling": "requested",
    "cluster/sharing": "exclusive",
    "cluster/placement": "first-fit",
  });
});

test("an entry takes the place of the one that a system would have, whichever is named first", async () => {
  const system = async (id: string) =>
    id === "published" ? { slots: { "cluster/scheduling": "las", "cluster/placement": "other" } } : undefined;
  for (const name of ["published+first-fit", "first-fit+published"]) {
    const { slots } = await namePolicy(name, {}, system);
    assert.deepEqual([slots["cluster/scheduling"], slots["cluster/placement"]], ["las", "first-fit"], name);
  }
});

test("what is wrong with a name is said", async () => {
  await assert.rejects(namePolicy("fifp"), /there is no policy "fifp".\n {2}Did you mean "fifo"/);
  await assert.rejects(namePolicy("fifo+cluster/scheduling/fifo"), /fifo and fifo are both cluster\/scheduling/);
  await assert.rejects(namePolicy("fifo", { srtf: { x: 1 } }), /has no part "srtf"/);
  await assert.rejects(policyOf("fifo", { fifo: { x: 1 } }), /fifo has no option "x"/);
  await assert.rejects(policyOf("gavel", { gavel: { pairs: 1 } }), /puts 2 jobs .* allows 1.\n {2}.*gavel\+as-decided/);
});

test("ids are unique over the four slots", () => {
  const ids = clusterSlots.flatMap((slot) => slot.ids());
  assert.deepEqual(ids, [...new Set(ids)]);
});
