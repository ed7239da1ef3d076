import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobSpec } from "../job.ts";
import { type PolicyOptions, policyOf } from "../policy.ts";

const ends = async (policy: string): Promise<Record<string, number>> => {
  const nodes = nodeSpecs(1, 1);
  const jobs = [jobSpec("long", { duration: 600 }), jobSpec("short", { submit: 1, duration: 90 })];
  const log = simulateCluster({ jobs, nodes, policy: await policyOf(policy) });
  return Object.fromEntries(clusterMetrics(log, nodes).jobs.map(({ id, end }) => [id, end!]));
};

test("two jobs take turns of a minute on one GPU; the short one does not wait for the long one", async () => {
  // long 0–60, short 60–120, long 120–180, short 180–210, long 210–690.
  assert.deepEqual(await ends("gandiva"), { long: 690, short: 210 });
  assert.deepEqual(await ends("fifo"), { long: 600, short: 690 });
});

const moves = async (jobs: readonly JobSpec[], options: PolicyOptions = {}) => {
  const policy = await policyOf("gandiva+least-allocated", options);
  const log = simulateCluster({ jobs, nodes: nodeSpecs(2, 4), policy });
  return log.flatMap((line) =>
    line.kind === "decided"
      ? line.start.filter(({ job }) => line.stop.includes(job)).map(({ job, on }) => ({ at: line.at, job, on }))
      : [],
  );
};

test("one job moves so that a gang finds room, and no more than that", async () => {
  // The emptiest node comes first: a and b are apart.
  const found = await moves([
    jobSpec("a", { gpus: 2, duration: 600 }),
    jobSpec("b", { gpus: 1, duration: 600 }),
    jobSpec("gang", { gpus: 4, submit: 10, duration: 100 }),
  ]);
  assert.deepEqual(found[0], { at: 10, job: "b", on: [{ node: 0, gpus: 1 }] });
  assert.equal(found.filter(({ at }) => at === 10).length, 1);
});

test("when a job has left and nobody waits, the emptiest node in use is emptied into a fuller one", async () => {
  const jobs = [
    jobSpec("a", { gpus: 2, duration: 600 }),
    jobSpec("b", { gpus: 1, duration: 600 }),
    jobSpec("c", { gpus: 1, duration: 30 }),
  ];
  assert.deepEqual(await moves(jobs), [{ at: 30, job: "b", on: [{ node: 0, gpus: 1 }] }]);
  assert.deepEqual(await moves(jobs, { gandiva: { migrate: 0 } }), []);
});

test("the turns of a job that has run for long are longer", async () => {
  const switches = async (stretch: number): Promise<number> => {
    const jobs = [jobSpec("a", { duration: 40_000 }), jobSpec("b", { duration: 40_000 })];
    const policy = await policyOf("gandiva", { gandiva: { stretch } });
    const nodes = nodeSpecs(1, 1);
    return clusterMetrics(simulateCluster({ jobs, nodes, policy }), nodes).restarts;
  };
  const [equal, stretched] = [await switches(0), await switches(0.01)];
  assert.ok(equal > 1300 && stretched < 0.5 * equal, `${stretched} against ${equal}`);
});

/** On nodes of 4 GPUs: where each job runs first, and from when. */
const firstRuns = async (count: number, jobs: readonly JobSpec[]): Promise<Record<string, readonly number[]>> => {
  const policy = await policyOf("gandiva", { gandiva: { sets: 1 } });
  const log = simulateCluster({ jobs, nodes: nodeSpecs(count, 4), policy });
  const first: Record<string, readonly number[]> = {};
  for (const line of log) {
    for (const { job, on } of line.kind === "decided" ? line.start : []) first[job] ??= [line.at, on[0]!.node];
  }
  return first;
};

test("sets: a node holds gangs of one size", async () => {
  const ones = ["a", "b"].map((id) => jobSpec(id, { duration: 50 }));
  const first = await firstRuns(2, [...ones, jobSpec("two", { gpus: 2, duration: 50 })]);
  assert.deepEqual(first, { a: [0, 0], b: [0, 0], two: [0, 1] });
});

test("sets: where no node is left, gangs of a size take turns on theirs; a size that has none waits", async () => {
  const nodes = nodeSpecs(1, 4);
  const policy = await policyOf("gandiva", { gandiva: { sets: 1 } });
  const gangs = ["a", "b"].map((id) => jobSpec(id, { gpus: 4, duration: 90 }));
  const jobs = [...gangs, jobSpec("small", { duration: 30 })];
  const log = simulateCluster({ jobs, nodes, policy });
  // a 0–60, b 60–120, a 120–150, b 150–180; then the node is free for another size.
  const ends = clusterMetrics(log, nodes).jobs.map(({ id, end }) => [id, end]);
  assert.deepEqual(ends, [
    ["a", 150],
    ["b", 180],
    ["small", 210],
  ]);
});

test("sets: a size gives up the nodes that it has beyond its part, and its jobs take turns", async () => {
  // Of three nodes, nine jobs of one GPU keep one: what they have too much is counted in GPUs, and taken in sets. When b has left,
  // their part is two nodes, and they are dealt anew.
  const ones = Array.from({ length: 9 }, (_, i) => jobSpec(`one-${i}`, { duration: 60 }));
  const gangs = ["a", "b", "c"].map((id) => jobSpec(id, { gpus: 4, submit: 10, duration: 40 }));
  const first = await firstRuns(3, [...ones, ...gangs]);
  const begun = (at: number): number => ones.filter(({ id }) => first[id]![0] === at).length;
  assert.deepEqual([begun(0), begun(10), begun(50), begun(60)], [4, 0, 4, 1]);
  assert.deepEqual([first.a![0], first.b![0], first.c![0]], [60, 10, 50]);
});
