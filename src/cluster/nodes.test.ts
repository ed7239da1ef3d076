import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { jobSpec, nodeSpecs } from "../test/cluster-view.ts";
import { IndexSet } from "./index-set.ts";
import { Nodes } from "./nodes.ts";

test("an index set holds what a set holds, in order, over all levels", () => {
  const random = stream(1);
  const [mine, set] = [new IndexSet(40_000), new Set<number>()];
  for (let i = 0; i < 5000; i++) {
    const member = Math.floor(random() ** 3 * 40_000);
    if (random() < 0.6) set.add(member) && mine.add(member);
    else mine.delete(member) ?? set.delete(member);
  }
  assert.equal(mine.size, set.size);
  const sorted = [...set].sort((a, b) => a - b);
  assert.deepEqual([...mine], sorted);
  assert.equal(mine.next(sorted.at(-1)! + 1), undefined);
});

test("nodes are found by what they have free, by type and in order", () => {
  const nodes = new Nodes([...nodeSpecs(40, 4, "v100"), ...nodeSpecs(40, 2, "k80")]);
  nodes.take([
    { node: 35, gpus: 3 },
    { node: 3, gpus: 3 },
    { node: 41, gpus: 1 },
  ]);
  assert.deepEqual([...nodes.withFree(1)], [3, 35, 41]);
  assert.deepEqual([...nodes.withFree(1, "v100")], [3, 35]);
  assert.deepEqual([...nodes.withFree(1, "tpu")], []);
  assert.deepEqual(
    [nodes.total(), nodes.total("k80"), nodes.freeTotal(), nodes.freeTotal("v100")],
    [240, 80, 233, 154],
  );
  nodes.setUsable(3, false);
  assert.deepEqual([[...nodes.withFree(1, "v100")], nodes.free(3), nodes.total()], [[35], 0, 236]);
  nodes.give([{ node: 3, gpus: 3 }]);
  nodes.setUsable(3, true);
  assert.deepEqual([nodes.free(3), nodes.freeTotal("v100"), nodes.total()], [4, 157, 240]);
});

test("CPUs and memory go with a job's GPUs", () => {
  const nodes = new Nodes([
    { id: "a", type: "v100", gpus: 4, cpus: 32, memoryBytes: 100 },
    { id: "b", type: "v100", gpus: 4 },
  ]);
  const job = jobSpec("a", { gpus: 4, cpus: 8, memoryBytes: 40 });
  const places = [
    { node: 0, gpus: 3 },
    { node: 1, gpus: 1 },
  ];
  nodes.takeHost(job, places, 1);
  assert.deepEqual([nodes.freeCpus(0), nodes.freeMemory(0), nodes.freeCpus(1)], [26, 70, Number.POSITIVE_INFINITY]);
  nodes.takeHost(job, places, -1);
  assert.deepEqual([nodes.freeCpus(0), nodes.freeMemory(0)], [32, 100]);
});
