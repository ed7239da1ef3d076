/**
 * A training step under a cap: what a user of memory policies opens.
 *
 *     training graph ─► units ─► [remat, offload: a plan] ─► engine on the device ─► record ─► the next plan
 */
import { UserError } from "../../core/errors.ts";
import type { Device, Region } from "../../device/device.ts";
import type { Seconds } from "../../time/clock.ts";
import type { CopyRate, Drop, MachineCosts, MemoryPlan, MemoryView, StepRecord } from "../memory.ts";
import { offloads } from "../offload.ts";
import { remats } from "../remat.ts";
import { now } from "./copy-ring.ts";
import { modelledUnit, type UnitRates } from "./cost.ts";
import { DeviceMachine } from "./device-machine.ts";
import { MemoryEngine } from "./engine.ts";
import { price } from "./modelled.ts";
import { type StepView, stepView, type TrainingGraph } from "./step-view.ts";

export interface CappedOptions {
  /** Bytes of the arena, everything in it: parameters, data, activations, gradients. */
  readonly capacity: number;
  readonly copy: CopyRate;
  /** Ids of the slots, and options of the entries. Left out: nothing is recomputed, nothing moves. */
  readonly remat?: string;
  readonly offload?: string;
  readonly offloadOptions?: Readonly<Record<string, number>>;
}

export interface CappedTraining {
  /** With the seconds that units took, once they were measured. */
  readonly view: MemoryView;
  /** What units need while they run; the arena has the rest of the capacity. */
  readonly workspaceBytes: number;
  /**
   * One step; this thread waits for it. Throws `OutOfMemory`, and the training is to be closed then. The first two plans are made
   * with estimated and with measured times; policies that learn from steps may change the next ones too.
   */
  step(): StepRecord;
  /**
   * What the simulator says of the last step: from the state before it, under the same plan. With times for units, all else is as
   * known before it too; without, its own are taken. Costs left out are those that were measured when it was opened.
   */
  predict(given?: {
    readonly unitSeconds?: readonly Seconds[];
    readonly costs?: Partial<MachineCosts>;
  }): StepRecord | undefined;
  /** Where an input lies, or an output that replaces one; not to be kept beyond the next step. */
  region(name: string): Region;
  close(): Promise<void>;
}

/** Rates of a core, until units have been measured. */
const estimated: UnitRates = { operationsPerSecond: 20e9, bytesPerSecond: 5e9, callSeconds: 3e-6 };
/** Encoding is JavaScript: about a nanosecond for each byte. */
const codecSecondsPerByte = 1e-9;
/** Steps after which plans stay as they are. */
const learning = 12;

/** Throws a `UserError` for a graph that cannot be compiled, and `OutOfMemory` where already what outlasts steps does not fit. */
export async function openCapped(
  device: Device,
  training: TrainingGraph,
  { capacity, copy, remat = "none", offload, offloadOptions = {} }: CappedOptions,
): Promise<CappedTraining> {
  const limits = { capacity, copy, codecSecondsPerByte };
  const step = stepView(training, limits, modelledUnit(training, estimated));
  const rematPolicy = await remats.create(remat);
  const offloadPolicy = offload === undefined ? undefined : await offloads.create(offload, offloadOptions);
  const machine = await DeviceMachine.open(device, training, step);
  const by = `${remat} and ${offload ?? "no offload"}`;
  let engine: MemoryEngine;
  try {
    engine = new MemoryEngine(machine.view, machine);
  } catch (error) {
    await machine.close();
    throw error;
  }
  let { view } = machine;
  let drops: readonly Drop[] = [];
  let plan: MemoryPlan | undefined;
  const records: StepRecord[] = [];
  let before: { readonly engine: MemoryEngine; readonly view: MemoryView } | undefined;
  const nextPlan = (): MemoryPlan => {
    if (plan !== undefined && records.length > (offloadPolicy === undefined ? 2 : learning)) return plan;
    // What was dropped stays so once times are known: offload plans build on it.
    if (records.length <= 1) drops = rematPolicy.drops(view);
    return offloadPolicy?.plan({ ...view, drops, records }) ?? { drops, outs: [], ins: [], encodings: [] };
  };
  return {
    get view() {
      return view;
    },
    workspaceBytes: machine.workspaceBytes,
    step() {
      plan = nextPlan();
      before = { engine: engine.twin(machine.view, machine), view };
      const record = engine.step(plan, by);
      view = measured(view, record);
      records.push(record);
      return record;
    },
    predict({ unitSeconds, costs } = {}) {
      if (plan === undefined || before === undefined) return undefined;
      const known = unitSeconds === undefined ? view : before.view;
      const units = known.units.map((unit, id) => ({ ...unit, seconds: unitSeconds?.[id] ?? unit.seconds }));
      return price({ ...known, units, costs: { ...known.costs!, ...costs } }, plan, before.engine, now);
    },
    region(name) {
      const tensor = tensorNamed(training, step, name);
      return machine.region(tensor, engine.offsetOf(tensor));
    },
    close: () => machine.close(),
  };
}

/** Units take what they took in the step, and so does encoding; what was stored sparse had as many zeros as its bytes tell. */
function measured(view: MemoryView, { plan, runs, encoded, codecSeconds }: StepRecord): MemoryView {
  const seconds = view.units.map((u) => u.seconds);
  for (const run of runs) if (!run.again) seconds[run.unit] = run.end - run.begin;
  const units = view.units.map((u, id) => ({ ...u, seconds: seconds[id]! }));
  const coded = encoded.reduce((sum, e) => sum + view.tensors[e.tensor]!.bytes, 0);
  // Once there and once back.
  const codecSecondsPerByte = coded === 0 ? view.codecSecondsPerByte : codecSeconds / (2 * coded);
  const share = new Map(encoded.map(({ tensor, bytes }) => [tensor, bytes / view.tensors[tensor]!.bytes]));
  // What was to be stored sparse and was not has too few zeros for it.
  for (const { tensor, as } of plan.encodings) if (as === "csr" && !share.has(tensor)) share.set(tensor, 5 / 4);
  const tensors = view.tensors.map((t, id) => {
    const left = share.get(id);
    // Five bytes for each element of four that is not 0.
    return t.zeros === undefined || left === undefined ? t : { ...t, zeros: 1 - Math.min(1, (4 * left) / 5) };
  });
  return { ...view, units, tensors, codecSecondsPerByte };
}

function tensorNamed({ graph, donate }: TrainingGraph, { nodes }: StepView, name: string): number {
  const node = graph.outputs[donate[name] === undefined ? name : ""];
  const wanted = donate[name] ?? name;
  const tensor = nodes.findIndex((id) => {
    const { op } = graph.nodes[id]!;
    return id === node || (op.kind === "input" && op.name === wanted);
  });
  if (tensor >= 0) return tensor;
  throw new UserError(`The step has neither an input nor an output "${name}".`);
}
