/** Who claims which items of a call: shares, of which each thread takes its own first. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { at, TileBuilder } from "../compile/tile-builder.ts";
import { stream } from "../core/random.ts";
import { integer } from "../test/kernel-data.ts";
import { openLevels } from "../test/kernel-rig.ts";
import { callList, evenClaims } from "./call-list.ts";
import { type Device, type Region, sharesMax } from "./device.ts";
import { openDevice } from "./open.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

/** counts[item] += 1, begins[item] = the first item of the claim, threads[item] = its thread's scratch; item 0 takes `turns` more. */
function claims(device: Device): number {
  const b = new TileBuilder(device.target);
  const [counts, begins, threads, turns] = [b.param(), b.param(), b.param(), b.param()];
  b.for(b.begin, b.end, 1, (item) => {
    const x = b.int(item);
    b.if(item, "eq", 0, () => b.for(0, turns, 1, () => b.and(b.add(b.mul(x, 5), 3), 0xffff, x)));
    b.storeInt(at(counts, 0, item, 4), b.add(b.loadInt(at(counts, 0, item, 4)), 1));
    b.storeInt(at(begins, 0, item, 4), b.begin);
    b.storeInt(at(threads, 0, item, 4), b.add(b.scratch, b.mul(x, 0)));
  });
  return device.install([b.finish("claims")])[0]!;
}

const ints = (region: Region, count: number): number[] => [
  ...new Int32Array(region.buffer, region.offset, region.bytes / 4).subarray(0, count),
];

interface Seen {
  readonly counts: readonly number[];
  readonly begins: readonly number[];
  readonly threads: readonly number[];
}

/** Runs a call twice, so that what was claimed is seen to be forgotten. */
async function run(device: Device, items: number, how: { share?: number; chunk: number }, turns = 0): Promise<Seen> {
  const regions = [0, 1, 2].map(() => device.alloc(4 * items + 64));
  const args = [...regions.map((r) => r.address), turns];
  const list = callList(device, [{ kernel: claims(device), args, items, barrier: true, ...how }]);
  await list.run();
  await list.run();
  const [counts, begins, threads] = regions.map((r) => ints(r, items + 16)) as [number[], number[], number[]];
  list.close();
  for (const region of regions) device.free(region);
  return { counts, begins, threads };
}

test("each item is done once, however many threads and shares there are", async () => {
  for (const { level } of devices) {
    for (const threads of [1, 2, 3]) {
      const device = await openDevice(level, { threads, scratchBytes: 4096 });
      const random = stream(seed, threads);
      for (let i = 0; i < 10; i++) {
        const items = integer(random, 1, 200);
        const how = { share: Math.ceil(items / device.threads), chunk: integer(random, 1, 9) };
        const { counts } = await run(device, items, how);
        const wrong = counts.findIndex((n, item) => n !== (item < items ? 2 : 0));
        assert.equal(wrong, -1, `HEDDLE_SEED=${seed}: ${level}, ${threads} threads, ${items} items, ${how.chunk}`);
      }
      await device.close();
    }
  }
});

for (const { level } of devices.filter((d) => d.level.startsWith("x64"))) {
  test(`${level}: a share is claimed in ever smaller pieces, in order`, async () => {
    const device = await openDevice(level, { threads: 1, scratchBytes: 4096 });
    const { begins } = await run(device, 64, { share: 64, chunk: 4 });
    assert.deepEqual([...new Set(begins.slice(0, 64))], [0, 32, 48, 56, 60]);
    await device.close();
  });

  test(`${level}: who has nothing left takes from a share whose thread is held up`, async () => {
    const device = await openDevice(level, { threads: 2, scratchBytes: 4096 });
    // The first half of the first share takes very long.
    const { threads } = await run(device, 64, { share: 32, chunk: 1 }, 40_000_000);
    assert.equal(threads[31], threads[63]);
    await device.close();
  });
}

test("claims are a share a thread, where a record has room for them", () => {
  assert.deepEqual(evenClaims(1, 128, 3e-4), { share: 0, chunk: 128 });
  const { share, chunk } = evenClaims(2, 128, 3e-4);
  assert.equal(share, 64);
  assert.ok(chunk >= 1 && chunk <= 8, `${chunk}`);
  assert.equal(evenClaims(sharesMax + 1, 128, 3e-4).share, 0);
});
