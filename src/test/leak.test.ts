/**
 * Models and devices that were closed leave nothing behind: memory, mappings, threads, open files.
 *
 * A leak shows as growth from the middle of many rounds to their end; allocators and the collector of garbage make resident
 * memory go up and down by some megabytes in between. The bounds are a fraction of what a leak of one round's parts would add.
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
  // What ends in the background, such as worker threads, gets a moment.
  await new Promise((resolve) => setTimeout(resolve, 50));
  collect();
  return {
    residentBytes: process.memoryUsage.rss(),
    mappings: readFileSync("/proc/self/maps", "utf8").split("\n").length,
    threads: readdirSync("/proc/self/task").length,
    files: readdirSync("/proc/self/fd").length,
  };
}

/** Runs `round` so often, and gives what is held after the first third and at the end. */
async function rounds(count: number, round: () => Promise<void>): Promise<readonly [Held, Held]> {
  const warm = Math.ceil(count / 3);
  for (let i = 0; i < warm; i++) await round();
  const before = await held();
  for (let i = warm; i < count; i++) await round();
  return [before, await held()];
}

function assertSame([before, after]: readonly [Held, Held], bytesMax: number, mappingsMax: number): void {
  const said = `${JSON.stringify(before)} before, ${JSON.stringify(after)} after`;
  assert.equal(after.threads, before.threads, said);
  assert.equal(after.files, before.files, said);
  assert.ok(after.residentBytes - before.residentBytes < bytesMax, said);
  assert.ok(after.mappings - before.mappings < mappingsMax, said);
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
  assertSame(await rounds(probe.machine ? 1000 : 30, round), 16 << 20, 60);
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
    assertSame(await rounds(count, round), 24 << 20, 40);
  }
});
