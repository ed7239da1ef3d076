/**
 * Models and devices that were closed leave nothing behind: memory, mappings, threads, open files.
 *
 * A leak shows as growth from the middle of many rounds to their end, and goes on growing; allocators and the collector of
 * garbage make resident memory go up and down by some megabytes in between, and now and then by more. The bounds are a fraction of
 * what a leak of one round's parts would add.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openDevice } from "../device/open.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { noiseFile } from "./heddle-process.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

interface Held {
  readonly residentBytes: number;
  readonly mappings: number;
  readonly threads: number;
  readonly files: number;
}

const linux = process.platform === "linux" ? test : undefined;

async function held(): Promise<Held> {
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  return {
    residentBytes: process.memoryUsage.rss(),
    mappings: readFileSync("/proc/self/maps", "utf8").split("\n").length,
    threads: readdirSync("/proc/self/task").length,
    files: readdirSync("/proc/self/fd").length,
  };
}

interface Bounds {
  readonly residentBytes: number;
  readonly mappings: number;
}

/** Spells of rounds that all must have grown for a leak. */
const spells = 3;

/** Runs `round` so often; what is held after the first third and at the end must be the same, but for the bounds. */
async function rounds(count: number, bounds: Bounds, round: () => Promise<void>): Promise<void> {
  const warm = Math.ceil(count / 3);
  for (let i = 0; i < warm; i++) await round();
  const told: string[] = [];
  for (let before = await held(); ; ) {
    const after = await grown(before, bounds, count - warm, round);
    if (after === undefined) return;
    told.push(`${JSON.stringify(before)} before, ${JSON.stringify(after)} after ${count - warm} rounds`);
    assert.ok(told.length < spells, told.join("\n"));
    before = after;
  }
}

/** What is held after `count` rounds more, where that is more than before. */
async function grown(
  before: Held,
  bounds: Bounds,
  count: number,
  round: () => Promise<void>,
): Promise<Held | undefined> {
  for (let i = 0; i < count; i++) await round();
  const same = ({ threads, files, residentBytes, mappings }: Held): boolean =>
    threads <= before.threads &&
    files <= before.files &&
    residentBytes - before.residentBytes < bounds.residentBytes &&
    mappings - before.mappings < bounds.mappings;
  let after = await held();
  // Worker threads end in the background, and on a busy machine that takes a while.
  for (let i = 0; i < 60 && !same(after); i++) after = await held();
  return same(after) ? undefined : after;
}

linux?.("1,000 devices opened, used and closed", async () => {
  const round = async (): Promise<void> => {
    const device = await openDevice(undefined, { threads: 2, scratchBytes: 64 << 10 });
    const region = device.alloc(256 << 10);
    new Uint8Array(region.buffer, region.offset, region.bytes).fill(1);
    await device.run(region, 0);
    device.free(region);
    await device.close();
  };
  const probe = await openDevice(undefined, { threads: 1, scratchBytes: 64 });
  await probe.close();
  // A round touches 256 KiB and starts a thread: 667 leaks of a tenth of that would pass the bound.
  await rounds(probe.machine ? 1000 : 30, { residentBytes: 16 << 20, mappings: 60 }, round);
});

linux?.("models that could not be loaded, as far as they had come", async () => {
  const round = async (): Promise<void> => {
    const checkpoint = await openCheckpoint(noiseFile);
    const tensors = new Map([...checkpoint.tensors].filter(([name]) => name !== "layer.1.attention.k"));
    const fewer = { ...checkpoint, tensors, tokenizer: checkpoint.tokenizer };
    await assert.rejects(loadRunner(fewer, { context: 64 }), /no tensor layer\.1\.attention\.k/);
    await assert.rejects(loadRunner(checkpoint, { context: 64, blocks: 4e8 }), /MiB/);
    checkpoint.close();
  };
  // A round packs some 200 KiB of weights.
  await rounds(90, { residentBytes: 8 << 20, mappings: 60 }, round);
});

linux?.("models loaded, run and closed, on each level that others build on", async () => {
  for (const [level, count] of [
    [undefined, 90],
    ["wasm", 18],
  ] as const) {
    const round = async (): Promise<void> => {
      const checkpoint = await openCheckpoint(noiseFile);
      const runner = await loadRunner(checkpoint, { ...(level && { level }), blocks: 8, context: 128 });
      await runner.step([{ tokens: [1, 2, 3], start: 0, blocks: [0], outputs: 1 }]);
      await runner.close();
      checkpoint.close();
    };
    await rounds(count, { residentBytes: 24 << 20, mappings: 40 }, round);
  }
});
