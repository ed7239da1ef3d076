import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { clusterView, jobSpec, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { policyOf } from "../policy.ts";
import afs from "./afs.ts";

/**
 * Completion times of two jobs together, of which `short` ends first: one GPU is lent to it until then, or is the other's all the time.
 * Nothing else changes when it ends: this is the future that AFS is apathetic about (§3), and it has a closed form.
 */
function together(work: readonly [number, number], lent: boolean, short: readonly number[], long: readonly number[]) {
  const first = work[0] / short[lent ? 1 : 0]!;
  const second = lent ? first + (work[1] - long[0]! * first) / long[1]! : work[1] / long[1]!;
  return { first, sum: first + second, inOrder: first <= second };
}

test("two jobs: each GPU goes to whom it makes both end sooner together, by the closed form", () => {
  const random = stream(0xaf5);
  let tried = 0;
  for (let trial = 0; trial < 60; trial++) {
    const powers = [0.2 + 0.8 * random(), 0.2 + 0.8 * random()];
    const work = [50 + 500 * random(), 50 + 500 * random()];
    const rates = powers.map((power) => (n: number) => n ** power);
    const jobs = rates.map((rate, i) =>
      jobView(`j${i}`, { range: { min: 1, max: 16 } }, { outlook: { done: 0, total: work[i]!, rate } }),
    );
    const dealt = (gpus: number): readonly number[] => {
      const sizes = afs.create({ known: 1 }).sizes(clusterView(jobs, nodeSpecs(1, gpus)));
      return jobs.map(({ spec }) => sizes.get(spec.id)!.gpus);
    };
    // Speeds at powers of two are given, those between are interpolated: both tables have to be the same.
    for (let gpus = 3; gpus <= 12; gpus++) {
      const [before, after] = [dealt(gpus - 1), dealt(gpus)];
      const speed = (i: number, n: number): number => interpolated(rates[i]!, n, gpus);
      if ([0, 1].some((i) => before[i]! + 1 > 2 ** Math.floor(Math.log2(gpus - 1)))) continue;
      const left = work.map((w, i) => w / speed(i, before[i]!));
      const [a, b] = left[0]! <= left[1]! ? [0, 1] : [1, 0];
      const speeds = (i: number): readonly number[] => [speed(i, before[i]!), speed(i, before[i]! + 1)];
      const ends = [true, false].map((lent) => together([work[a]!, work[b]!], lent, speeds(a), speeds(b)));
      if (!ends.every(({ inOrder }) => inOrder)) continue;
      const winner = ends[0]!.sum < ends[1]!.sum ? a : b;
      assert.equal(after[winner], before[winner]! + 1, `${powers}, ${work}: ${before} of ${gpus}, then ${after}`);
      tried++;
    }
  }
  assert.ok(tried > 150, `${tried}`);
});

/** Linear between powers of two up to the number of GPUs, as the entry has it where no other sizes were measured. */
function interpolated(rate: (n: number) => number, n: number, gpus: number): number {
  const low = 2 ** Math.floor(Math.log2(n));
  const high = Math.min(2 * low, 2 ** Math.floor(Math.log2(gpus)));
  return n === low ? rate(n) : rate(low) + ((rate(high) - rate(low)) * (n - low)) / (high - low);
}

test("without lengths, who has had less goes first", () => {
  const rate = (n: number): number => n ** 0.5;
  const job = (id: string, total: number, service: number) =>
    jobView(id, { range: { min: 1, max: 4 } }, { outlook: { done: 0, total, rate }, service });
  const jobs = [job("long", 900, 10), job("short", 90, 500)];
  const share = (known: number) =>
    afs
      .create({ known })
      .sizes(clusterView(jobs, nodeSpecs(1, 4)))
      .get("short")!.gpus;
  assert.ok(share(1) >= share(0), `${share(1)} GPUs known, ${share(0)} not`);
});

test("a job that comes or ends moves few others: jobs keep their order, whoever starts", async () => {
  const random = stream(0xaf5, 1);
  const jobs = Array.from({ length: 120 }, (_, i) =>
    jobSpec(`j${i}`, {
      submit: 5 * i,
      gpus: 2 ** Math.floor(5 * random()),
      duration: 100 + Math.floor(900 * random()),
    }),
  );
  const log = simulateCluster({ jobs, nodes: nodeSpecs(8, 8), policy: await policyOf("afs") });
  const decided = log.flatMap((line) => (line.kind === "decided" ? [line.stop.length] : []));
  const stopped = decided.reduce((sum, stops) => sum + stops, 0);
  assert.ok(decided.filter((stops) => stops > 0).length > 100);
  assert.ok(stopped < 4 * decided.length, `${stopped} stops in ${decided.length} decisions`);
});

test("who comes starts at once on GPUs that another gives up", async () => {
  const jobs = ["first", "second"].map((id, i) => jobSpec(id, { submit: 10 * i, gpus: 8, duration: 100 }));
  const log = simulateCluster({ jobs, nodes: nodeSpecs(1, 8), policy: await policyOf("afs") });
  const starts = log.flatMap((line) =>
    line.kind === "decided" ? line.start.map(({ job }) => ({ at: line.at, job })) : [],
  );
  assert.equal(starts.find(({ job }) => job === "second")?.at, 10);
});
