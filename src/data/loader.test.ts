/** What every loader promises: the same batches in the same order, from any position, whoever makes them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { median } from "../core/statistics.ts";
import * as module from "../test/record-maps.ts";
import * as stored from "../test/stored-records.ts";
import { bytesOf, type Fields } from "./fields.ts";
import { loaders } from "./loader.ts";
import { openLoader } from "./open-loader.ts";
import type { Pipeline } from "./pipeline.ts";

const tokens = Int32Array.from({ length: 60 * 8 + 1 }, (_, i) => i);
const pipeline: Pipeline = {
  shards: [20, 25, 15],
  ops: [
    { kind: "interleave", cycle: 2, block: 3 },
    { kind: "shuffle", buffer: 16 },
    { kind: "map", map: "windows" },
    { kind: "cache" },
    { kind: "map", map: "noise" },
  ],
  batch: 7,
  epochs: 3,
  seed: 4,
};

async function open(id: string, position: number, options: Readonly<Record<string, number>> = {}, more = {}) {
  const policy = await loaders.create(id, options);
  const configuration = { tokens, length: 8 };
  return openLoader({ policy, pipeline, module, configuration, position, cores: 2, memoryBytes: 1 << 20, ...more });
}

async function rest(loader: Awaited<ReturnType<typeof open>>): Promise<Fields[]> {
  const batches: Fields[] = [];
  for (let batch = await loader.next(); batch !== undefined; batch = await loader.next()) batches.push(batch);
  await loader.close();
  return batches;
}

const expected = await rest(await open("none", 0));

test("the baseline gives each window once an epoch, with noise that differs from epoch to epoch", () => {
  assert.equal(expected.length, 24);
  assert.deepEqual(Object.keys(expected[0]!), ["tokens", "targets", "weights"]);
  assert.equal(bytesOf(expected[0]!), 3 * 4 * 8 * 7);
  const firsts = expected.slice(0, 8).flatMap(({ tokens }) => Array.from({ length: 7 }, (_, i) => tokens![8 * i]!));
  assert.equal(new Set(firsts).size, 56);
  const weightOf = (batch: Fields[], token: number): number | undefined => {
    for (const { tokens, weights } of batch) if (tokens!.includes(token)) return weights![tokens!.indexOf(token)];
    return undefined;
  };
  const shared = firsts.find((token) => weightOf(expected.slice(8, 16), token) !== undefined)!;
  assert.notEqual(weightOf(expected.slice(0, 8), shared), weightOf(expected.slice(8, 16), shared));
});

for (const id of loaders.ids()) {
  test(`${id}: the same batches whatever its options, its memory and the position it is opened at`, async () => {
    const variants = id === "tf-data" ? [{}, { fusion: 0 }, { autotune: 0 }] : [{}];
    for (const options of variants) {
      assert.deepEqual(await rest(await open(id, 0, options)), expected, JSON.stringify(options));
      assert.deepEqual(await rest(await open(id, 13, options, { memoryBytes: 500 })), expected.slice(13));
    }
  });

  test(`${id}: an error of a function comes to who waits for the batch`, async () => {
    const given = { ...pipeline, ops: [{ kind: "map", map: "broken" } as const] };
    const loader = await open(id, 0, {}, { pipeline: given });
    await assert.rejects(async () => loader.next(), /record \d+ is broken/);
    await loader.close();
  });
}

test("a loader that is closed while threads work is waited for, though an answer comes while they end", () => {
  // Nothing else keeps this process alive; its thread sleeps until the answer is there, unread.
  const code = `
    import { loaders } from "${import.meta.resolve("./loader.js")}";
    import { openLoader } from "${import.meta.resolve("./open-loader.js")}";
    import * as module from "${import.meta.resolve("../test/stored-records.js")}";
    const pipeline = { shards: [64], ops: [{ kind: "map", map: "read" }], batch: 8, epochs: 1, seed: 1 };
    const configuration = { readSeconds: 1e-3, elements: 1, rounds: 1 };
    const policy = await loaders.create("tf-data");
    const loader = openLoader({ policy, pipeline, module, configuration, position: 0, cores: 1, memoryBytes: 1 << 20 });
    await loader.next();
    void loader.next();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await loader.close();
    console.log("closed");`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.equal(stdout, "closed\n", stderr);
});

test("on real threads the tuner takes more workers for a store that keeps the consumer waiting", async (context) => {
  const step = async (autotune: number): Promise<{ readonly seconds: number; readonly workers: number }> => {
    const loader = openLoader({
      policy: await loaders.create("tf-data", { autotune }),
      pipeline: { shards: [4096], ops: [{ kind: "map", map: "read" }], batch: 8, epochs: 1, seed: 1 },
      module: stored,
      configuration: { readSeconds: 2e-3, elements: 1, rounds: 1 },
      ...{ position: 0, cores: 6, memoryBytes: 1 << 20 },
    });
    const seconds: number[] = [];
    for (let i = 0; i < 80; i++) {
      const began = performance.now();
      await loader.next();
      seconds.push((performance.now() - began) / 1e3);
    }
    const workers = loader.settings.reduce((n, { parallelism }) => n + parallelism, 0);
    await loader.close();
    return { seconds: median(seconds.slice(40))!, workers };
  };
  const [fixed, tuned] = [await step(0), await step(1)];
  assert.ok(fixed.workers === 1 && tuned.workers >= 3, `${tuned.workers} workers`);
  context.diagnostic(`${fixed.seconds} s a batch, tuned ${tuned.seconds} s`);
});
