/**
 * The rig of sets of primitives: the same kernels are built from each set for this machine's best device, and run; counted are the
 * loads and stores that their instructions make.
 */
import { primitiveSets } from "../../compile/primitive.ts";
import { type PrimitiveKernel, primitiveKernels } from "../../compile/primitive-kernels.ts";
import type { Instruction } from "../../compile/tile.ts";
import { assert, UserError } from "../../core/errors.ts";
import { runOnce } from "../../device/call-list.ts";
import type { Device } from "../../device/device.ts";
import { openDevice } from "../../device/open.ts";
import { openReference } from "../../device/reference.ts";
import type { Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

const scratchBytes = 1 << 18;

/** Runs a kernel over numbers that its parameters' places give, and returns the bits of its result. */
export async function runPrimitiveKernel(device: Device, kernel: PrimitiveKernel, id: string): Promise<Int32Array> {
  const program = kernel.write(device.target, await primitiveSets.create(id));
  const [handle] = device.install([program]);
  const regions = kernel.params.map(({ shape, type }, which) => {
    const size = shape.reduce((n, d) => n * d, 1);
    const region = device.alloc(size * 4);
    const values = Float32Array.from({ length: size }, (_, i) => sample(which, i));
    const bytes = new Uint8Array(region.buffer, region.offset, region.bytes);
    if (which === kernel.params.length - 1) return region;
    if (type === "i32") bytes.set(new Uint8Array(Int32Array.from({ length: size }, (_, i) => (i * 7) % 11).buffer));
    else if (type === "bf16")
      bytes.set(new Uint8Array(new Uint16Array(values.buffer).filter((_, i) => i % 2 === 1).buffer));
    else bytes.set(new Uint8Array(values.buffer));
    return region;
  });
  await runOnce(device, [{ kernel: handle!, args: regions.map((r) => r.address), items: 1 }]);
  const last = regions.at(-1)!;
  const result = new Int32Array(last.buffer, last.offset, last.bytes / 4).slice();
  for (const region of regions) device.free(region);
  return result;
}

/** Sixteenths between -1 and 1: bf16 has them all. */
export const sample = (which: number, i: number): number => (((i * 37 + which * 11) % 33) - 16) / 16;

/** Loads and stores as often as they run: all loops of these kernels have fixed bounds, and nothing is chosen. */
function accessesOf(body: readonly Instruction[]): number {
  return body.reduce((n, x) => {
    if (x.op === "for") {
      assert(typeof x.from === "number" && typeof x.to === "number", () => "a loop whose turns are not known");
      return n + Math.ceil((x.to - x.from) / x.step) * accessesOf(x.body);
    }
    assert(x.op !== "if", () => "a choice");
    const operand = "b" in x && typeof x.b === "object" && "from" in x.b ? 1 : 0;
    return n + operand + ("at" in x && x.op !== "prefetch" ? 1 : 0);
  }, 0);
}

async function counted(id: string, on: string): Promise<Metrics> {
  const names = on === "kernels" ? Object.keys(primitiveKernels) : [on];
  const device = await openDevice(undefined, { threads: 1, scratchBytes });
  try {
    const primitives = await primitiveSets.create(id);
    let [accesses, operations, wrong] = [0, 0, 0];
    for (const name of names) {
      const kernel = Object.hasOwn(primitiveKernels, name) ? primitiveKernels[name] : undefined;
      if (kernel === undefined) {
        throw new UserError(`There is no kernel "${name}".`, `There are: ${Object.keys(primitiveKernels).join(", ")}.`);
      }
      accesses += accessesOf(kernel.write(device.target, primitives).body);
      operations += kernel.operations;
      const reference = openReference({ threads: 1, scratchBytes });
      const wanted = await runPrimitiveKernel(reference, kernel, "fine-grained");
      const seen = await runPrimitiveKernel(device, kernel, id);
      wrong += seen.reduce((n, bits, i) => n + (bits === wanted[i] ? 0 : 1), 0);
    }
    return { accesses: accesses / (operations / 1000), wrong };
  } finally {
    await device.close();
  }
}

const primitiveRig: Rig = {
  slot: primitiveSets,
  workload: "kernels",
  measure: async (id, _where, on = "kernels") => counted(id, on),
};

export const primitiveRigs: readonly Rig[] = [primitiveRig];
