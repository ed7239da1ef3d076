/**
 * Every renderer against the reference over random tile programs: memory afterwards is equal bit for bit.
 * `HEDDLE_SEED=n HEDDLE_FUZZ=count` repeats or prolongs it.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Device } from "../device/device.ts";
import { openReference } from "../device/reference.ts";
import { openWasm } from "../device/wasm.ts";
import { kernelOn, openLevels, scratchBytes } from "../test/kernel-rig.ts";
import { compare, show } from "../test/tile-fuzz.ts";
import { randomProgram } from "../test/tile-generator.ts";
import { at, TileBuilder } from "./tile-builder.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const count = Number(process.env.HEDDLE_FUZZ ?? 200);
const batch = 25;
const { devices, missing } = await openLevels();
if (missing.length > 0) console.log(`# levels that cannot run here: ${missing.join(", ")}`);
const reference = openReference({ threads: 1, scratchBytes });
const compared = new Map<string, Device>(devices.map((device) => [device.level, device]));
compared.delete("reference");
compared.set(
  "wasm without relaxed SIMD",
  await openWasm({ threads: 2, scratchBytes, relaxed: { fma: false, madd8: false } }),
);
after(async () => {
  for (const device of [...devices, reference, compared.get("wasm without relaxed SIMD")!]) await device.close();
});

for (const [name, device] of compared) {
  test(`${name}: ${count} random programs leave the memory that the reference leaves`, async () => {
    const { target } = device;
    const fused = await fusesOn(device);
    for (let from = 0; from < count; from += batch) {
      const programs = Array.from({ length: Math.min(batch, count - from) }, (_, i) =>
        randomProgram(seed * 1_000_000 + from + i, { target, fused }),
      );
      const difference = await compare(programs, [reference, device], seed + from);
      if (difference === undefined) continue;
      const { program, where, at: offset, values } = difference;
      assert.fail(`HEDDLE_SEED=${seed}: ${where} ${offset} is ${values[1]}, not ${values[0]}\n${show(program)}`);
    }
  });
}

test("without relaxed SIMD a product is rounded before it is added", async () => {
  assert.equal(await fusesOn(compared.get("wasm without relaxed SIMD")!), false);
});

/** Whether the device rounds `a × b + c` once, which relaxed WebAssembly does on some machines. */
async function fusesOn(device: Device): Promise<boolean> {
  const b = new TileBuilder(device.target);
  const to = b.param();
  // (1 + 2^-12)² = 1 + 2^-11 + 2^-24, whose last term an f32 has no room for.
  const x = b.constF(1 + 2 ** -12);
  b.store(at(to), b.fma(b.constF(-1 - 2 ** -11), x, x));
  const out = new Float32Array(device.target.lanes);
  await kernelOn(device, b.finish("fuses")).run([out], 1);
  return out[0] === 2 ** -24;
}
