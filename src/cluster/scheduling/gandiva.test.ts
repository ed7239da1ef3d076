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
