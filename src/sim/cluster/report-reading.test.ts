import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobSpec } from "../../cluster/job.ts";
import type { LogLine, StartLine } from "../../cluster/log.ts";
import { policyOf } from "../../cluster/policy.ts";
import type { Report } from "../../cluster/report/columns.ts";
import { summarise } from "../../cluster/report/measure.ts";
import { ClusterReading } from "./metrics.ts";
import { ReportReading } from "./report-reading.ts";
import { streamCluster } from "./simulate.ts";
import { clusterWorkload } from "./workload.ts";

const start = (job: string, gpus: number, beside: string[] = [], later = false): StartLine => ({
  ...{ job, on: [{ node: 0, gpus }], beside, later },
});
const decided = (at: number, starts: StartLine[], stop: string[] = []): LogLine => ({
  ...{ at, kind: "decided", stop, start: starts, unplaced: [], reject: [], waiting: 0, free: 0 },
});
const ended = (at: number, kind: "stopped" | "finished", job: string, attempt = 0): LogLine => ({
  ...{ at, kind: "event", event: { kind, at, job, attempt } },
});
const rho = new Float64Array(2).fill(Number.NaN);

test("a run lasts from its launch until it has left", () => {
  const reading = new ReportReading(["a", "b"]);
  reading.add(decided(0, [start("a", 4)]));
  reading.add(decided(10, [start("b", 2, [], true)], ["a"]));
  reading.add(ended(13, "stopped", "a"));
  reading.add({ at: 13, kind: "launched", job: "b", attempt: 0 });
  reading.add(ended(20, "finished", "b"));
  reading.add(decided(20, [start("a", 4)]));
  reading.add(ended(30, "finished", "a", 1));
  const policy = reading.policy("las", rho);
  assert.deepEqual([...policy.runJob], [0, 1, 0]);
  assert.deepEqual([...policy.runStart], [0, 13, 20]);
  assert.deepEqual([...policy.runEnd], [13, 20, 30]);
  assert.deepEqual([...policy.start, ...policy.end, ...policy.restarts], [0, 13, 30, 20, 1, 0]);
  assert.deepEqual([...policy.held], [92, 14]);
});

test("GPUs that jobs share count once, and whoever stays goes on in a run of its own", () => {
  const reading = new ReportReading(["a", "b"]);
  reading.add(decided(0, [start("a", 2)]));
  reading.add(decided(4, [start("b", 2, ["a"])]));
  reading.add(ended(8, "finished", "a"));
  reading.add(ended(10, "finished", "b"));
  const policy = reading.policy("muri", rho);
  const runs = [...policy.runJob].map((job, r) => [job, policy.runStart[r], policy.runEnd[r], policy.runSharers[r]]);
  assert.deepEqual(runs, [
    [0, 0, 4, 1],
    [0, 4, 8, 2],
    [1, 4, 8, 2],
    [1, 8, 10, 1],
  ]);
  assert.deepEqual([...policy.held], [12, 8]);
});

test("too many runs are joined where little time lies between them, and keep what they held", () => {
  const reading = new ReportReading(["a", "b"]);
  for (let i = 0; i < 20; i++) {
    reading.add(decided(100 * i, [start("a", 1)]));
    reading.add(ended(100 * i + 70, "stopped", "a", i));
  }
  const policy = reading.policy("las", rho, 5);
  assert.deepEqual([[...policy.runStart], [...policy.runEnd], policy.coarseSeconds], [[0], [1970], 60]);
  assert.deepEqual([policy.held[0], policy.restarts[0]], [1400, 19]);
});

test("a report's figures are those of the metrics", async () => {
  const { nodes, jobs, ...steady } = clusterWorkload("philly-like");
  const [metrics, reading] = [new ClusterReading(nodes), new ReportReading(jobs.map(({ id }) => id))];
  streamCluster({ nodes, jobs, steady, policy: await policyOf("fifo") }, (line) => {
    metrics.add(line);
    reading.add(line);
  });
  const expected = metrics.metrics();
  const rhos = Float64Array.from(expected.jobs, (job) => job.rho ?? Number.NaN);
  const policy = reading.policy("fifo", rhos);
  const report = reportOf(
    jobs,
    nodes.map(({ gpus }) => gpus),
  );
  const summary = summarise(report, policy, new Uint8Array(jobs.length).fill(1));
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) <= 1e-9 * Math.abs(b), `${a} and ${b}`);
  near(summary.averageJct, expected.averageJct);
  near(summary.p99Jct, expected.p99Jct);
  near(summary.makespan, expected.makespan);
  near(summary.utilisation, expected.utilisation);
  near(summary.worstRho, expected.fairness.worst);
  assert.equal(Math.round(summary.unfair * jobs.length), expected.fairness.unfair);
  assert.equal(summary.restarts, expected.restarts);
});

function reportOf(jobs: readonly JobSpec[], gpus: readonly number[]): Report {
  const zeros = new Uint32Array(jobs.length);
  return {
    ...{ trace: "", format: "", origin: 0, cluster: "", nodes: gpus.map(String), nodeGpus: Uint32Array.from(gpus) },
    ...{ tenants: [""], classes: [""], notes: [], policies: [] },
    jobs: {
      ids: jobs.map(({ id }) => id),
      submit: Float64Array.from(jobs, ({ submit }) => submit),
      ...{ gpus: zeros, tenant: zeros, class: zeros },
    },
  };
}
