import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("one that has run a quantum longer than one that waits leaves to it, and not before", async () => {
  const nodes = nodeSpecs(1, 1);
  for (const [ran, stops] of [
    [99, []],
    [100, ["old"]],
  ] as const) {
    const las = await schedulings.create("las", { quantum: 100 });
    const old = jobView("old");
    las.decide(clusterView([old], nodes, { arrived: [old] }));
    Object.assign(old, { places: [{ node: 0, gpus: 1 }], state: "running", ran });
    const young = jobView("young");
    const decision = las.decide(clusterView([old, young], nodes, { now: ran, arrived: [young] }));
    assert.deepEqual(decision.stop, stops);
    assert.equal(decision.wake, stops.length > 0 ? 200 : 100, "who waits is looked at again when a quantum has passed");
  }
});
