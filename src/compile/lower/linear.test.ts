/** Products of quantised weights have the same bits on every level, with every order of loops. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { stream } from "../../core/random.ts";
import type { Device } from "../../device/device.ts";
import { matrix, rows } from "../../test/kernel-data.ts";
import { kernelOn, openLevels } from "../../test/kernel-rig.ts";
import { quantizeKernel } from "../../test/row-kernels.ts";
import { type BlockType, blockFormats, blockLayout, panelRows } from "../block-format.ts";
import { rowFloats, weightLayout } from "../layout.ts";
import { defaultSchedule, type LinearTile } from "../schedule/linear.ts";
import { activationBytes, lowerLinear } from "./linear.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const shape = { n: 45, k: 512, bias: true };
const tokens = 2;

async function product(device: Device, type: BlockType, order: LinearTile["order"]): Promise<Float32Array> {
  const random = stream(7);
  const { target } = device;
  const format = { kind: "blocks", type } as const;
  const { packed } = matrix(random, format, shape.n, shape.k);
  const [x, bias] = [rows(random, tokens, shape.k), rows(random, 1, shape.n)];
  // The most that 16 bits must hold: every code of the first block the largest, by the largest of either sign.
  const f = blockFormats[type];
  const { word } = blockLayout(f);
  for (let n = 0; n < f.words; n++) packed.fill(255, word(n), word(n) + panelRows * 4);
  x.fill(1, 0, 32).fill(-1, 32, 64);
  const codes = new Uint8Array(tokens * activationBytes(format, shape.k, target));
  await kernelOn(device, quantizeKernel(target, shape.k)).run([x, codes], tokens);
  const { cases, rest } = defaultSchedule(target, format, shape);
  const tile = { ...(cases[0]?.tile ?? rest), order };
  const kernel = kernelOn(device, lowerLinear(target, format, shape, { cases: [], rest: tile }));
  const out = new Float32Array(tokens * rowFloats(shape.n));
  await kernel.run([packed, codes, tokens, bias, out], weightLayout(format, shape.n, shape.k).panels);
  return out;
}

for (const type of Object.keys(blockFormats) as BlockType[]) {
  test(`${type}: the same bits everywhere`, async () => {
    const reference = devices.find(({ level }) => level === "reference");
    assert.ok(reference !== undefined);
    const expected = await product(reference, type, "tokens");
    for (const device of devices) {
      for (const order of ["tokens", "columns", "blocks"] as const) {
        assert.deepEqual(await product(device, type, order), expected, `${device.level}, ${order}`);
      }
    }
  });
}
