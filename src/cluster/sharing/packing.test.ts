import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import type { Speed } from "../../sim/cluster/steady-launcher.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import type { LogLine, StartLine } from "../log.ts";
import { type PolicyOptions, policyOf } from "../policy.ts";

const nodes = nodeSpecs(1, 1);

async function run(utilisations: readonly (number | undefined)[], options: PolicyOptions = {}, speed?: Speed) {
  const jobs = utilisations.map((utilisation, i) =>
    jobSpec(`j${i}`, { duration: 1200, ...(utilisation !== undefined && { utilisation }) }),
  );
  const policy = await policyOf("gandiva+packing", options);
  return simulateCluster({ jobs, nodes, policy, ...(speed && { steady: { speed } }) });
}

const together = (log: readonly LogLine[]): (StartLine & { readonly at: number })[] =>
  log.flatMap((line) =>
    line.kind === "decided"
      ? line.start.filter(({ beside }) => beside.length > 0).map((start) => ({ ...start, at: line.at }))
      : [],
  );
const makespan = (log: readonly LogLine[]): number => clusterMetrics(log, nodes).makespan;

test("two jobs that leave a GPU idle half of the time share it, once each was seen alone", async () => {
  const log = await run([0.2, 0.3]);
  // A turn of a minute each, in which the second was looked at twice; half a minute of another, for the first.
  assert.deepEqual(
    together(log).map(({ at }) => at),
    [150],
  );
  // Together they are nearly as fast as alone.
  assert.ok(makespan(log) < 1.4 * 1200, `${makespan(log)} s`);
});

test("two busy jobs are tried once, measured, and parted for good", async () => {
  const log = await run([0.85, 0.85]);
  const [trial, ...later] = together(log);
  assert.equal(trial?.at, 150);
  assert.deepEqual(later, []);
  const parted = log.find((line) => line.kind === "decided" && line.at > 150 && line.stop.length > 0);
  assert.equal(parted?.at, 285);
});

test("what counts is what was measured, whatever the utilisation promised", async () => {
  const halves: Speed = (_job, _gpus, _nodes, _type, beside) => (beside.length === 0 ? 1 : 0.3);
  assert.equal(together(await run([0.2, 0.2], {}, halves)).length, 1);
  // All that both do together is held to be enough.
  const kept = await run([0.2, 0.2], { packing: { gain: 0.5 } }, halves);
  assert.equal(kept.filter((line) => line.kind === "decided" && line.at > 150 && line.stop.length > 0).length, 0);
});

test("jobs whose utilisation nobody knows, or that are too busy, run alone", async () => {
  assert.deepEqual(together(await run([undefined, 0.2])), []);
  assert.deepEqual(together(await run([0.95, 0.2])), []);
});

test("a pair parts where a GPU of its own is free for each", async () => {
  const jobs = [
    jobSpec("a", { duration: 2000, utilisation: 0.2 }),
    jobSpec("b", { duration: 2000, utilisation: 0.2 }),
    jobSpec("c", { duration: 300, utilisation: 0.99 }),
  ];
  const log = simulateCluster({ jobs, nodes: nodeSpecs(1, 2), policy: await policyOf("gandiva+packing") });
  assert.ok(together(log).length > 0);
  const last = log
    .filter((line) => line.kind === "decided")
    .flatMap(({ start }) => start)
    .at(-1);
  assert.deepEqual(last?.beside, []);
});
