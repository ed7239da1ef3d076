import assert from "node:assert/strict";
import { test } from "node:test";
import { packReport, type Report, unpackReport } from "./columns.ts";
import { busyOverTime, quantileOf, summarise, waitingOverTime } from "./measure.ts";

const u = (...values: number[]): Uint32Array => Uint32Array.from(values);
const f = (...values: number[]): Float64Array => Float64Array.from(values);

/** Two nodes of 2 GPUs. `a` runs, is preempted for `b`, and runs again; `c` never ends. */
const report: Report = {
  ...{ trace: "t.csv", format: "itp", origin: 0, cluster: "2 nodes of 2 v100", nodes: ["n0", "n1"] },
  ...{ nodeGpus: u(2, 2), tenants: ["x", "y"], classes: [""], notes: ["é & <b>"] },
  jobs: { ids: ["a", "b", "c"], submit: f(0, 10, 30), gpus: u(2, 4, 70_000), tenant: u(0, 1, 0), class: u(0, 0, 0) },
  policies: [
    {
      ...{ name: "las", start: f(0, 10, Number.NaN), end: f(40, 20, Number.NaN), restarts: u(1, 0, 0) },
      ...{ rho: f(1.5, 0.5, Number.NaN), held: f(60, 40, 0), coarseSeconds: 0 },
      ...{ runJob: u(0, 1, 0), runStart: f(0, 10, 20), runEnd: f(10, 20, 40), runSharers: u(1, 1, 1) },
      ...{ first: u(0, 1, 3, 4), shareNode: u(0, 0, 1, 1), shareGpus: u(2, 2, 2, 2) },
    },
  ],
};
const policy = report.policies[0]!;
const all = Uint8Array.from([1, 1, 1]);

test("a report is the same after it was packed", () => {
  const again = unpackReport(packReport(report));
  assert.deepEqual(again, report);
  // Bytes that do not begin at a multiple of eight are read as well.
  const shifted = new Uint8Array(packReport(report).length + 3);
  shifted.set(packReport(report), 3);
  assert.deepEqual(unpackReport(shifted.subarray(3)), report);
});

test("a policy is summed up over the jobs that count", () => {
  const summary = summarise(report, policy, all);
  assert.deepEqual(
    { ...summary },
    {
      ...{ jobs: 3, finished: 2, averageJct: 25, medianJct: 25, makespan: 40, averageWait: 0, restarts: 1 },
      ...{ p99Jct: 39.7, utilisation: (30 * 2 + 10 * 4) / (4 * 40), worstRho: 1.5, averageRho: 1, unfair: 0.5 },
    },
  );
  const one = summarise(report, policy, Uint8Array.from([0, 1, 0]));
  assert.deepEqual([one.jobs, one.averageJct, one.makespan, one.utilisation, one.restarts], [1, 10, 10, 1, 0]);
  const none = summarise(report, policy, Uint8Array.from([0, 0, 0]));
  assert.ok(Number.isNaN(none.averageJct) && Number.isNaN(none.worstRho) && none.jobs === 0);
});

test("GPUs in use and jobs that wait, over time", () => {
  assert.deepEqual([...busyOverTime(policy, all, 0, 40, 4).values], [2, 4, 2, 2]);
  assert.deepEqual([...busyOverTime(policy, all, 0, 40, 4).times], [0, 10, 20, 30]);
  assert.deepEqual([...busyOverTime(policy, all, 5, 25, 2).values], [3, 3]);
  // While b runs, a waits; c waits from 30 on.
  assert.deepEqual([...waitingOverTime(report, policy, all, 0, 40, 4).values], [0, 1, 0, 1]);
  assert.deepEqual([...waitingOverTime(report, policy, all, 0, 40, 8).values], [0, 0, 1, 1, 0, 0, 1, 1]);
});

test("GPUs that two jobs share count once", () => {
  const shared = { ...policy, runSharers: u(2, 1, 1) };
  assert.deepEqual([...busyOverTime(shared, all, 0, 10, 1).values], [1]);
});

test("quantiles lie between the nearest ranks", () => {
  assert.equal(quantileOf(f(1, 2, 4), 0.75), 3);
  assert.ok(Number.isNaN(quantileOf(f(), 0.5)));
});
