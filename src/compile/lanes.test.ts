/** Parts of vectors and orders of lanes, on each level: every count and every kind, against what they are said to be. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { kernelOn, openLevels } from "../test/kernel-rig.ts";
import type { Shuffle } from "./tile.ts";
import { at, TileBuilder } from "./tile-builder.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

for (const device of devices) {
  const { lanes } = device.target;
  describe(device.level, () => {
    test("a part of a vector: zeros behind what is loaded, and what is behind a store stays", async () => {
      const b = new TileBuilder(device.target);
      const [from, to] = [b.param(), b.param()];
      for (let count = 1; count < lanes; count++) {
        const place = b.add(to, 192 * count);
        b.store(at(place), b.loadPartF(at(from, 4 * count), count));
        // Behind a register, and below it.
        b.storePart(at(b.add(place, 128), -60), b.loadPartI(at(b.add(from, 64), -8), count), count);
      }
      const input = Int32Array.from({ length: 64 }, (_, i) => 100 + i);
      const out = new Int32Array(16 * 64).fill(-1);
      await kernelOn(device, b.finish("parts")).run([input, out], 1);
      for (let count = 1; count < lanes; count++) {
        const place = 48 * count;
        const loaded = Array.from({ length: lanes }, (_, l) => (l < count ? 100 + count + l : 0));
        assert.deepEqual([...out.subarray(place, place + lanes)], loaded, `${count} loaded`);
        const stored = Array.from({ length: 20 }, (_, i) => (i >= 1 && i <= count ? 114 + i - 1 : -1));
        assert.deepEqual([...out.subarray(place + 16, place + 36)], stored, `${count} stored`);
      }
    });

    const kinds: readonly Shuffle[] = ["low", "high", "lowPairs", "highPairs"];
    test("lanes of two vectors in turn", async () => {
      const all: readonly Shuffle[] = lanes > 4 ? [...kinds, "evenFours", "oddFours"] : kinds;
      const b = new TileBuilder(device.target);
      const [from, to] = [b.param(), b.param()];
      const [x, y] = [b.loadI(at(from)), b.loadI(at(from, 64))];
      for (const [i, kind] of all.entries()) b.store(at(to, 64 * i), b.shuffle(kind, x, y));
      b.store(at(to, 64 * 6), b.shuffle("high", b.bitsF(y), b.bitsF(x)));
      const input = Int32Array.from({ length: 32 }, (_, i) => (i < 16 ? i : 100 + i - 16));
      const out = new Int32Array(7 * 16);
      await kernelOn(device, b.finish("shuffles")).run([input, out], 1);
      const inFours = (...four: readonly number[]): number[] =>
        Array.from({ length: lanes }, (_, l) => four[l % 4]! + 4 * Math.floor(l / 4));
      const wanted = [
        inFours(0, 100, 1, 101),
        inFours(2, 102, 3, 103),
        inFours(0, 1, 100, 101),
        inFours(2, 3, 102, 103),
      ];
      if (lanes > 4) {
        for (const odd of [0, 4]) {
          wanted.push(Array.from({ length: lanes }, (_, l) => odd + 8 * (l >> 2) + (l % 4)));
          const half = lanes / 2;
          const last = wanted.at(-1)!;
          for (let l = half; l < lanes; l++) last[l] = 100 + last[l - half]!;
        }
      }
      for (const [i, four] of wanted.entries()) {
        assert.deepEqual([...out.subarray(16 * i, 16 * i + lanes)], four, all[i]);
      }
      assert.deepEqual([...out.subarray(96, 96 + lanes)], inFours(102, 2, 103, 3));
    });
  });
}
