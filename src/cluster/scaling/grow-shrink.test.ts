import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { jobSpec, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobSpec } from "../job.ts";
import { policyOf } from "../policy.ts";

const nodes = nodeSpecs(2, 4);
const range = { min: 1, max: 8 };

async function run(jobs: readonly JobSpec[], policy = "grow-shrink") {
  const log = simulateCluster({ jobs, nodes, policy: await policyOf(policy) });
  const sizes = log.flatMap((line) =>
    line.kind === "decided"
      ? line.start.map(({ job, on }) => `${job} ${on.reduce((n, { gpus }) => n + gpus, 0)} at ${line.at}`)
      : [],
  );
  return { sizes, ends: Object.fromEntries(clusterMetrics(log, nodes).jobs.map(({ id, end }) => [id, end])) };
}

test("a job that may grow gets the idle GPUs of its node, and no others, when they have been idle for long enough", async () => {
  const { sizes, ends } = await run([jobSpec("a", { duration: 1000, range })]);
  assert.deepEqual(sizes, ["a 1 at 0", "a 4 at 180"]);
  // 180 s on one GPU, the rest four times as fast.
  assert.equal(ends.a, 180 + 820 / 4);
});

test("it shrinks as soon as a job waits", async () => {
  for (const policy of ["grow-shrink", "grow-shrink+srtf", "grow-shrink+gandiva"]) {
    const jobs = [
      jobSpec("a", { duration: 4000, range }),
      jobSpec("b", { submit: 300, gpus: 4, duration: 10 }),
      jobSpec("c", { submit: 301, gpus: 3, duration: 10 }),
    ];
    const { sizes, ends } = await run(jobs, policy);
    assert.deepEqual(sizes.slice(0, 2), ["a 1 at 0", "a 4 at 180"], policy);
    assert.ok(
      sizes.some((line) => line.startsWith("a 1 at 30")),
      `${policy}: ${sizes}`,
    );
    assert.ok(ends.c! <= 315, `${policy}: ${ends.c}`);
  }
});

test("jobs that do not allow it, or have no neighbours' GPUs to grow on, keep their size", async () => {
  assert.deepEqual((await run([jobSpec("a", { duration: 1000 })])).sizes, ["a 1 at 0"]);
  assert.deepEqual((await run([jobSpec("a", { duration: 1000, gpus: 4, range })])).sizes, ["a 4 at 0"]);
});
