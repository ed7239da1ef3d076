/** Steps under a cap for real: a small network trained on a device, its parameters held against those of training with room. */
import { assert } from "../core/errors.ts";
import { stream } from "../core/random.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { OutOfMemory } from "../train/memory/out-of-memory.ts";
import { type CappedOptions, type CappedTraining, openCapped } from "../train/memory/session.ts";
import type { TrainingGraph } from "../train/memory/step-view.ts";
import type { StepRecord } from "../train/memory.ts";
import type { Metrics } from "./serve-metrics.ts";

const copy = { bytesPerSecond: 1e9, latencySeconds: 0 };
const steps = 4;

interface Trained {
  readonly last: StepRecord;
  /** Of the parameters after the last step. */
  readonly bits: readonly Uint32Array[];
  readonly workspaceBytes: number;
}

export function floatsOf(capped: CappedTraining, name: string): Float32Array {
  const { buffer, offset, bytes } = capped.region(name);
  return new Float32Array(buffer, offset, bytes / 4);
}

/** Random data and parameters, the same for all: those of a layer are the smaller the more each output has. */
export function fillInputs(capped: CappedTraining, { graph }: TrainingGraph): void {
  const random = stream(7);
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "input") continue;
    const fan = type.shape.slice(0, -1).reduce((n, d) => n * d, 4);
    const scale = op.name.startsWith("p") ? 2 / Math.sqrt(fan) : 1;
    const values = floatsOf(capped, op.name);
    for (let i = 0; i < values.length; i++) values[i] = (random() - 0.5) * scale;
  }
}

async function train(device: Device, training: TrainingGraph, options: Omit<CappedOptions, "copy">): Promise<Trained> {
  const capped = await openCapped(device, training, { copy, ...options });
  try {
    fillInputs(capped, training);
    let last = capped.step();
    for (let step = 1; step < steps; step++) last = capped.step();
    const bits = Object.keys(training.donate).map((name) => new Uint32Array(floatsOf(capped, name).slice().buffer));
    return { last, bits, workspaceBytes: capped.workspaceBytes };
  } finally {
    await capped.close();
  }
}

/** `fits` is 0 where the cap is too low; else every parameter must be what it is with room for everything. */
export async function runCapped(
  training: TrainingGraph,
  share: number,
  policies: Pick<CappedOptions, "remat" | "offload" | "offloadOptions">,
): Promise<Metrics> {
  const device = await openDevice(undefined, { threads: 1, scratchBytes: 1 << 20 });
  try {
    const whole = await train(device, training, { capacity: 2 ** 28 });
    const capBytes = Math.floor(share * (whole.last.peakBytes + whole.workspaceBytes));
    const { last, bits, workspaceBytes } = await train(device, training, { capacity: capBytes, ...policies });
    const same = bits.every((values, i) => values.every((x, k) => x === whole.bits[i]![k]));
    assert(same, () => `training under ${JSON.stringify(policies)} changes parameters`);
    const { peakBytes, outBytes, recomputed } = last;
    return { fits: 1, capBytes, heldBytes: peakBytes + workspaceBytes, outBytes, recomputed };
  } catch (error) {
    if (error instanceof OutOfMemory) return { fits: 0 };
    throw error;
  } finally {
    await device.close();
  }
}
