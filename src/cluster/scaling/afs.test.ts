import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import afs from "./afs.ts";

/** Mean completion time of two jobs when `a` holds x of the GPUs until one ends, and the other all that it can use then. */
function meanOfTwo(
  x: number,
  gpus: number,
  work: readonly [number, number],
  speed: readonly ((n: number) => number)[],
): number {
  const rates = [speed[0]!(x), speed[1]!(gpus - x)];
  const ends = work.map((w, i) => w / rates[i]!);
  const first = ends[0]! <= ends[1]! ? 0 : 1;
  const other = 1 - first;
  const left = work[other]! - rates[other]! * ends[first]!;
  return (2 * ends[first]! + left / speed[other]!(gpus)) / 2;
}

test("two jobs: the split is within 6 % of the best one that never changes before an end", () => {
  const speeds = [(n: number) => n ** 0.5, (n: number) => n ** 0.9] as const;
  for (const work of [
    [40, 400],
    [200, 240],
    [400, 100],
  ] as const) {
    const gpus = 8;
    const jobs = speeds.map((rate, i) =>
      jobView(`j${i}`, { range: { min: 1, max: gpus } }, { outlook: { done: 0, total: work[i]!, rate } }),
    );
    const sizes = afs.create({ known: 1 }).sizes(clusterView(jobs, nodeSpecs(1, gpus)));
    const x = sizes.get("j0")!.gpus;
    const all = Array.from({ length: gpus - 1 }, (_, i) => meanOfTwo(i + 1, gpus, work, speeds));
    const best = Math.min(...all);
    assert.ok(meanOfTwo(x, gpus, work, speeds) <= 1.06 * best, `${work}: ${x} GPUs, ${all.map((m) => m.toFixed(1))}`);
  }
});

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
