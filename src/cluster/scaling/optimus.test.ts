import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobView } from "../job.ts";
import { scalings } from "../scaling.ts";

/** So much work, at a rate of `gpus ** power`. */
const job = (id: string, total: number, power: number, gpusMax = 64): JobView =>
  jobView(id, { gpus: 4 }, { outlook: { done: 0, total, gpusMax, rate: (gpus) => gpus ** power } });

const sizes = async (jobs: readonly JobView[], gpus = 8): Promise<Readonly<Record<string, number>>> => {
  const optimus = await scalings.create("optimus");
  const sized = optimus.sizes(clusterView(jobs, nodeSpecs(gpus / 4, 4), { arrived: jobs }));
  return Object.fromEntries([...sized].map(([id, size]) => [id, size.gpus]));
};

test("each further GPU goes where it saves most time: more to the longer job, more to the one that scales", async () => {
  assert.deepEqual(await sizes([job("long", 400, 1), job("short", 100, 1)]), { long: 5, short: 3 });
  assert.deepEqual(await sizes([job("scales", 100, 1), job("does not", 100, 0.02)]), { scales: 7, "does not": 1 });
});

test("nobody gets more than it can use, and GPUs that shorten nothing stay free", async () => {
  assert.deepEqual(await sizes([job("a", 100, 1, 2), job("b", 100, 1, 3)]), { a: 2, b: 3 });
  assert.deepEqual(await sizes([job("slower", 100, -0.5)]), { slower: 1 });
});

test("one GPU each comes first, in the order of arrival; the last are not named, and get none", async () => {
  const jobs = ["a", "b", "c", "d", "e"].map((id) => job(id, 100, 1));
  assert.deepEqual(await sizes(jobs, 4), { a: 1, b: 1, c: 1, d: 1 });
});
