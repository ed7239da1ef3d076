/**
 * The rigs of remat and offload policies: steps of four networks under a cap, priced on one machine and one copy engine.
 *
 * A capacity is a share of what the step takes when everything is kept. `peakBytes` is what the plan takes where there is room
 * for all; other metrics are there only if the step fits. On the machine a smaller step runs and is counted.
 */
import type { Claim } from "../../core/entry.ts";
import { UserError } from "../../core/errors.ts";
import { modelledUnit } from "../../train/memory/cost.ts";
import { price } from "../../train/memory/modelled.ts";
import { stepView } from "../../train/memory/step-view.ts";
import { keepAll, type MemoryPlan, type MemoryView, type StepRecord } from "../../train/memory.ts";
import { type Offload, offloads } from "../../train/offload.ts";
import { remats } from "../../train/remat.ts";
import { type NetworkShape, trainingGraph } from "../memory-graphs.ts";
import { runCapped } from "../memory-machine.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

/** One core of the x64 levels, and a copy engine that moves a network's tensors in about half of the step's time. */
const machine = { operationsPerSecond: 50e9, bytesPerSecond: 10e9, callSeconds: 1e-6 };
const copy = { bytesPerSecond: 2e9, latencySeconds: 20e-6 };
const codecSecondsPerByte = 2e-10;
/** Steps that a policy which learns from steps has: the last one counts. */
const steps = 6;

interface Workload {
  readonly network: string;
  readonly shape: NetworkShape;
  /** Of what keeping everything takes. */
  readonly share: number;
}

const shapes: Readonly<Record<string, NetworkShape>> = {
  vgg: { batch: 16, size: 32, width: 8, blocks: 4 },
  resnet: { batch: 16, size: 16, width: 16, blocks: 6 },
  inception: { batch: 16, size: 16, width: 16, blocks: 5 },
  transformer: { batch: 4, size: 64, width: 64, blocks: 4 },
};

/** `vgg` has the share of the slot; `vgg-roomy` has room for everything. */
function workloadOf(name: string, share: number): Workload {
  const [, network, roomy] = /^(.*?)(-roomy)?$/.exec(name)!;
  const shape = Object.hasOwn(shapes, network!) ? shapes[network!] : undefined;
  if (shape !== undefined) return { network: network!, shape, share: roomy === undefined ? share : 2 };
  const names = Object.keys(shapes).flatMap((n) => [n, `${n}-roomy`]);
  throw new UserError(`There is no step "${name}" to plan memory for.`, `There are: ${names.join(", ")}.`);
}

function viewOf({ network, shape, share }: Workload): MemoryView {
  const training = trainingGraph(network, shape);
  const limits = { capacity: Number.POSITIVE_INFINITY, copy, codecSecondsPerByte };
  const { view } = stepView(training, limits, modelledUnit(training, machine));
  return { ...view, capacity: Math.floor(share * price(view, keepAll)!.peakBytes) };
}

const roomyOf = (view: MemoryView): MemoryView => ({ ...view, capacity: Number.POSITIVE_INFINITY });

function metricsOf(view: MemoryView, plan: MemoryPlan, record: StepRecord | undefined): Metrics {
  const peakBytes = price(roomyOf(view), plan)!.peakBytes;
  if (record === undefined) return { fits: 0, peakBytes };
  const ideal = price(roomyOf(view), keepAll)!.seconds;
  return {
    ...{ fits: 1, peakBytes, capBytes: view.capacity, heldBytes: record.peakBytes },
    ...{ milliseconds: 1e3 * record.seconds, slowdown: record.seconds / ideal },
    stallMilliseconds: 1e3 * record.stallSeconds,
    recomputeMilliseconds: 1e3 * record.recomputeSeconds,
    movedBytes: record.outBytes + record.inBytes,
  };
}

function priced(view: MemoryView, offload: Offload, drops: MemoryPlan["drops"]): Metrics {
  const records: StepRecord[] = [];
  for (;;) {
    const plan = offload.plan({ ...view, drops, records });
    const record = price(view, plan);
    if (record !== undefined) records.push(record);
    if (record === undefined || records.length === steps) return metricsOf(view, plan, record);
  }
}

/** For real, images and batches are smaller. */
const run = (on: string, share: number, policies: Parameters<typeof runCapped>[2]): Promise<Metrics> => {
  const { network, shape, share: given } = workloadOf(on, share);
  return runCapped(trainingGraph(network, { ...shape, size: shape.size / 2, width: shape.width / 2 }), given, policies);
};

async function measureRemat(id: string, where: Claim["where"], on: string, given: Given): Promise<Metrics> {
  const share = 0.8;
  if (where === "machine") return run(on, share, { remat: id });
  const view = viewOf(workloadOf(on, share));
  const drops = (await remats.create(id, given)).drops(view);
  const plan = { ...keepAll, drops };
  return metricsOf(view, plan, price(view, plan));
}

async function measureOffload(id: string, where: Claim["where"], on: string, given: Given): Promise<Metrics> {
  const share = 0.6;
  // A paper whose parts stand in both slots is measured with both.
  const remat = remats.ids().includes(id) ? id : "none";
  if (where === "machine") return run(on, share, { remat, offload: id, offloadOptions: given });
  const view = viewOf(workloadOf(on, share));
  const drops = (await remats.create(remat)).drops(view);
  return priced(view, await offloads.create(id, given), drops);
}

export const memoryRigs: readonly Rig[] = [
  {
    slot: remats,
    workload: "resnet",
    measure: async (id, where, on = "resnet", given = {}) => measureRemat(id, where, on, given),
  },
  {
    slot: offloads,
    workload: "resnet",
    measure: async (id, where, on = "resnet", given = {}) => measureOffload(id, where, on, given),
  },
];
