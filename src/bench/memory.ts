/** Training under a cap: what a step takes with each policy, and what the simulator says of the same plan and unit times. */
import { UserError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type NetworkShape, networkNames, trainingGraph } from "../sim/memory-graphs.ts";
import { fillInputs } from "../sim/memory-machine.ts";
import { OutOfMemory } from "../train/memory/out-of-memory.ts";
import { type CappedOptions, openCapped } from "../train/memory/session.ts";
import type { TrainingGraph } from "../train/memory/step-view.ts";
import type { Bench } from "./terms.ts";

const shapes: Readonly<Record<string, NetworkShape>> = {
  vgg: { batch: 32, size: 32, width: 16, blocks: 4 },
  resnet: { batch: 16, size: 32, width: 16, blocks: 6 },
  inception: { batch: 16, size: 32, width: 16, blocks: 4 },
  transformer: { batch: 8, size: 128, width: 128, blocks: 4 },
};
const copy = { bytesPerSecond: 1e9, latencySeconds: 0 };
/** Steps before plans are looked at: policies learn from the first ones. */
const learning = 4;
const policies: readonly (Pick<CappedOptions, "remat" | "offload"> & { readonly share: number })[] = [
  { offload: "on-demand", share: 0.6 },
  { offload: "vdnn", share: 0.6 },
  { remat: "superneurons", offload: "superneurons", share: 0.6 },
  { offload: "capuchin", share: 0.6 },
  { offload: "swapadvisor", share: 0.6 },
  { offload: "gist", share: 0.9 },
  { remat: "sqrt-n", share: 0.8 },
  { remat: "superneurons", share: 0.9 },
];

interface Measured {
  readonly milliseconds: number;
  /** Simulated over measured, step by step with the step's own unit times. */
  readonly predicted: number;
  /** Measured over what the step's units took, each once: other work on the machine slows both. */
  readonly slowdown: number;
  readonly heldBytes: number;
}

async function measure(
  device: Device,
  training: TrainingGraph,
  options: Omit<CappedOptions, "copy">,
  steps: number,
): Promise<Measured | undefined> {
  const capped = await openCapped(device, training, { copy, ...options });
  try {
    fillInputs(capped, training);
    const [seconds, ratios, slowdowns]: [number[], number[], number[]] = [[], [], []];
    let heldBytes = 0;
    for (let step = 0; step < learning + steps; step++) {
      const record = capped.step();
      const predicted = capped.predict();
      if (step < learning || predicted === undefined) continue;
      seconds.push(record.seconds);
      ratios.push(predicted.seconds / record.seconds);
      const working = record.runs.reduce((sum, r) => sum + (r.again ? 0 : r.end - r.begin), 0);
      slowdowns.push(record.seconds / working);
      heldBytes = record.peakBytes + capped.workspaceBytes;
    }
    const of = (xs: readonly number[]): number => median(xs) ?? Number.NaN;
    return { milliseconds: 1e3 * of(seconds), predicted: of(ratios), slowdown: of(slowdowns), heldBytes };
  } catch (error) {
    if (error instanceof OutOfMemory) return undefined;
    throw error;
  } finally {
    await capped.close();
  }
}

export async function run({ repeat, quick, level, note }: Bench): Promise<void> {
  const device = await openDevice(level, { threads: 1, scratchBytes: 1 << 20 });
  try {
    for (const network of quick ? networkNames.slice(0, 1) : networkNames) {
      const training = trainingGraph(network, shapes[network]!);
      const whole = await measure(device, training, { capacity: 2 ** 29 }, 2 * repeat);
      if (whole === undefined) throw new UserError(`${network} does not fit into 512 MiB.`);
      note({ bench: "memory", network, policy: "room for all", ...whole });
      for (const { share, ...policy } of policies) {
        const capacity = Math.floor(share * whole.heldBytes);
        const found = await measure(device, training, { capacity, ...policy }, 2 * repeat);
        note({ bench: "memory", network, ...policy, share, fits: found !== undefined, ...found });
      }
    }
  } finally {
    await device.close();
  }
}
