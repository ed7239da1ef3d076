/**
 * Scheduling, scaling, sharing and placement combine freely: with each entry of one slot, each of every other runs a small
 * workload to its end, in which every job finishes once, or was rejected by admission control.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import { modelledSpeed } from "../sim/cluster/workload.ts";
import { jobSpec, nodeSpecs } from "../test/cluster-view.ts";
import type { JobSpec } from "./job.ts";
import { clusterSlots, policyOf } from "./policy.ts";

type Row = readonly string[];

/** More gangs than fit, one of them as wide as the cluster; elastic, of two tenants and three priorities. */
const jobs: readonly JobSpec[] = [1, 2, 1, 4, 1, 1, 8, 2, 1].map((gpus, i) => {
  const duration = 200 + 90 * (i % 4);
  return jobSpec(`j${i}`, {
    ...{ gpus, duration, submit: 20 * i, iterations: duration, deadline: 20 * i + 4000 },
    ...{ tenant: i % 2 === 0 ? "a" : "b", priority: (i % 3) - 1, utilisation: [0.2, 0.9, 0.4][i % 3]! },
    ...{ range: { min: 1, max: 8 }, class: "vision", model: "vision" },
    phases: { storage: 0.1 + 0.1 * (i % 3), cpu: 0.2, gpu: 0.3, network: 0.1 * (i % 2) },
  });
});
const nodes = nodeSpecs(2, 4);
const steady = { speed: modelledSpeed, launchSeconds: 1, restartSeconds: 2, stopSeconds: 1 };
// A search that is as thorough as by default takes its time, and is the same for what is tested here.
const options = { pollux: { generations: 4, population: 10 } };

/** Rows in which every two entries of different slots stand together at least once, taken greedily from all of a few diagonals. */
function covering(): readonly Row[] {
  const ids = clusterSlots.map((slot) => slot.ids());
  const rows: Row[] = [];
  const missing = new Set<string>();
  const pairs = (row: Row): string[] =>
    row.flatMap((a, i) => row.slice(i + 1).map((b, k) => `${i} ${a} ${i + k + 1} ${b}`));
  const [scheduling = [], scaling = [], sharing = [], placement = []] = ids;
  const at = (list: readonly string[], i: number): string => list[i % list.length]!;
  const candidates: Row[] = [];
  for (const [i, a] of scheduling.entries()) {
    for (const [j, b] of scaling.entries()) candidates.push([a, b, at(sharing, i + j), at(placement, i + 2 * j)]);
    for (const [j, c] of sharing.entries()) candidates.push([a, at(scaling, i + j), c, at(placement, i + j)]);
    for (const [j, d] of placement.entries()) candidates.push([a, at(scaling, i + 2 * j), at(sharing, i + j), d]);
  }
  for (const b of scaling) for (const c of sharing) for (const d of placement) candidates.push(["fifo", b, c, d]);
  for (const row of candidates) for (const pair of pairs(row)) missing.add(pair);
  for (const row of candidates) {
    const found = pairs(row).filter((pair) => missing.delete(pair));
    if (found.length > 0) rows.push(row);
  }
  return rows;
}

const rows = covering();

test("every two entries of different slots are in a row", () => {
  const [a, b, c, d] = clusterSlots.map((slot) => slot.ids().length) as [number, number, number, number];
  const together = new Set(rows.flatMap((row) => row.flatMap((x, i) => row.slice(i + 1).map((y) => `${x} ${y}`))));
  assert.equal(together.size, a * b + a * c + a * d + b * c + b * d + c * d);
});

for (const row of rows) {
  test(`${row.join(" + ")}: every job ends once`, async () => {
    const name = row.map((id, i) => `${clusterSlots[i]!.path}/${id}`).join("+");
    const given = Object.fromEntries(Object.entries(options).filter(([id]) => row.includes(id)));
    const log = simulateCluster({ jobs, nodes, policy: await policyOf(name, given), roundSeconds: 30, steady });
    const ended = log.flatMap((line) => {
      if (line.kind === "event" && line.event.kind === "finished") return [line.event.job];
      return line.kind === "decided" ? line.reject : [];
    });
    assert.deepEqual(
      ended.sort(),
      jobs.map(({ id }) => id),
    );
  });
}
