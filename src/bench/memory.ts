/**
 * Training under a cap: what a step takes with each policy, and what the simulator says of it beforehand.
 *
 * The simulator is given the plan, what units take in steps with room for everything, and constants of the copy engine: all measured
 * between the same steps, since what else the machine does changes them. Nothing is taken from the step that it predicts. Of the
 * steps the better half counts: other work only adds. On a shared machine run it ahead of others (`chrt -f 1`): threads that wait
 * for a turn are not modelled.
 */
import { UserError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import type { Device, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type NetworkShape, networkNames, trainingGraph } from "../sim/memory-graphs.ts";
import { fillInputs } from "../sim/memory-machine.ts";
import type { Seconds } from "../time/clock.ts";
import { type CopyEngine, openCopyEngine } from "../train/memory/copy-engine.ts";
import { medianOf, type Waiting, waitingCosts } from "../train/memory/costs.ts";
import { OutOfMemory } from "../train/memory/out-of-memory.ts";
import { type CappedOptions, type CappedTraining, openCapped } from "../train/memory/session.ts";
import type { TrainingGraph } from "../train/memory/step-view.ts";
import type { StepRecord } from "../train/memory.ts";
import { watch } from "./machine.ts";
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
/** So many steps, and what was measured between them, make a profile. */
const window = 5;
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

const sum = (xs: readonly number[]): number => xs.reduce((total, x) => total + x, 0);
const middle = (xs: readonly number[]): number => median(xs) ?? Number.NaN;
const durations = ({ runs }: StepRecord): readonly Seconds[] => runs.map((r) => r.end - r.begin);
const unitwise = (steps: readonly (readonly Seconds[])[]): readonly Seconds[] =>
  steps[0]!.map((_, unit) => middle(steps.map((s) => s[unit]!)));

/** Steps with room for everything, alone and beside a stream of copies that have nothing to do with them. */
class Profile {
  readonly #whole: CappedTraining;
  readonly #stream: CopyEngine;
  readonly #streamBytes: number;
  readonly #alone: (readonly Seconds[])[] = [];
  readonly #beside: (readonly Seconds[])[] = [];
  readonly #waiting: Waiting[] = [];

  constructor(whole: CappedTraining, stream: CopyEngine, streamBytes: number) {
    this.#whole = whole;
    this.#stream = stream;
    this.#streamBytes = streamBytes;
  }

  measure(): StepRecord {
    const record = this.#whole.step();
    this.#alone.push(durations(record));
    const bytes = Math.min(this.#streamBytes, Math.floor(1.1 * record.seconds * copy.bytesPerSecond));
    const ticket = this.#stream.copy(this.#alone.length % 2 === 0 ? "out" : "in", 0, 0, bytes);
    this.#beside.push(durations(this.#whole.step()));
    this.#stream.wait(ticket);
    this.#waiting.push(waitingCosts(this.#stream, copy, this.#streamBytes));
    return record;
  }

  /** What a step is predicted from. */
  given(): NonNullable<Parameters<CappedTraining["predict"]>[0]> {
    const unitSeconds = unitwise(this.#alone.slice(-window));
    const slowdown = Math.max(0, sum(unitwise(this.#beside.slice(-window))) / sum(unitSeconds) - 1);
    return { unitSeconds, costs: { ...medianOf(this.#waiting.slice(-2 * window)), slowdown } };
  }
}

interface Measured {
  readonly milliseconds: number;
  /** Simulated over measured: from the profile, and with what the step's own units took. */
  readonly predicted: number;
  readonly replayed: number;
  /** Measured over a step with room for everything. */
  readonly slowdown: number;
  readonly heldBytes: number;
}

async function measure(
  device: Device,
  training: TrainingGraph,
  options: Omit<CappedOptions, "copy">,
  profile: Profile,
  steps: number,
): Promise<Measured | undefined> {
  const capped = await openCapped(device, training, { copy, ...options });
  try {
    fillInputs(capped, training);
    const seen: Measured[] = [];
    for (let step = 0; step < learning + steps; step++) {
      const whole = profile.measure();
      const { seconds, peakBytes } = capped.step();
      const given = profile.given();
      const [predicted, replayed] = [capped.predict(given), capped.predict({ costs: given.costs ?? {} })];
      if (step < learning || predicted === undefined || replayed === undefined) continue;
      seen.push({
        ...{
          milliseconds: 1e3 * seconds,
          predicted: predicted.seconds / seconds,
          replayed: replayed.seconds / seconds,
        },
        ...{ slowdown: seconds / whole.seconds, heldBytes: peakBytes + capped.workspaceBytes },
      });
    }
    const better = seen.sort((a, b) => a.milliseconds - b.milliseconds).slice(0, Math.ceil(seen.length / 2));
    const of = (key: keyof Measured): number => middle(better.map((m) => m[key]));
    return {
      ...{ milliseconds: of("milliseconds"), predicted: of("predicted"), replayed: of("replayed") },
      ...{ slowdown: of("slowdown"), heldBytes: of("heldBytes") },
    };
  } catch (error) {
    if (error instanceof OutOfMemory) return undefined;
    throw error;
  } finally {
    await capped.close();
  }
}

/** Ratios of simulated to measured steps, of all plans that fit. */
async function compare(device: Device, network: string, steps: number, note: Bench["note"]): Promise<number[]> {
  const training = trainingGraph(network, shapes[network]!);
  const whole = await openCapped(device, training, { copy, capacity: 2 ** 29 });
  let region: Region | undefined;
  let stream: CopyEngine | undefined;
  const ratios: number[] = [];
  try {
    fillInputs(whole, training);
    const record = Array.from({ length: learning }, () => whole.step()).at(-1)!;
    const heldBytes = record.peakBytes + whole.workspaceBytes;
    region = device.alloc(heldBytes);
    stream = await openCopyEngine(device, region, heldBytes, copy);
    const profile = new Profile(whole, stream, heldBytes);
    note({ bench: "memory", network, policy: "room for all", milliseconds: 1e3 * record.seconds, heldBytes });
    for (const { share, ...policy } of policies) {
      const disturbance = watch();
      const options = { capacity: Math.floor(share * heldBytes), ...policy };
      const found = await measure(device, training, options, profile, steps);
      if (found !== undefined) ratios.push(found.predicted);
      note({ bench: "memory", network, ...policy, share, fits: found !== undefined, ...found, ...disturbance() });
    }
    return ratios;
  } catch (error) {
    if (!(error instanceof OutOfMemory)) throw error;
    throw new UserError(`${network} does not fit into 512 MiB.`);
  } finally {
    await stream?.close();
    if (region !== undefined) device.free(region);
    await whole.close();
  }
}

export async function run({ repeat, quick, level, note }: Bench): Promise<void> {
  const device = await openDevice(level, { threads: 1, scratchBytes: 1 << 20 });
  try {
    const ratios: number[] = [];
    for (const network of quick ? networkNames.slice(0, 1) : networkNames) {
      ratios.push(...(await compare(device, network, 3 * repeat, note)));
    }
    const within = ratios.filter((r) => Math.abs(r - 1) <= 0.1).length;
    const extremes = { least: Math.min(...ratios), most: Math.max(...ratios) };
    note({ bench: "memory", plans: ratios.length, predictedWithinTenPercent: within, ...extremes });
  } finally {
    await device.close();
  }
}
