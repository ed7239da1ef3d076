/** Small training steps as memory policies see them, and a machine that notices when a tensor is not what it should be. */
import assert from "node:assert/strict";
import { draw } from "../core/random.ts";
import { MemoryEngine } from "../train/memory/engine.ts";
import type { OffsetOf, Ticket } from "../train/memory/machine.ts";
import { ModelledMachine } from "../train/memory/modelled.ts";
import type {
  Encoding,
  MemoryPlan,
  MemoryView,
  StepRecord,
  TensorId,
  TensorView,
  UnitId,
  UnitView,
} from "../train/memory.ts";

export interface LayerShape {
  readonly name: string;
  /** Of what it makes. */
  readonly bytes: number;
  /** Forward; backward takes twice as long. */
  readonly seconds: number;
  readonly kind: UnitView["kind"];
  readonly parameterBytes?: number;
  /** Layers whose results it takes: the one before it, where left out. */
  readonly from?: readonly number[];
  /** Its gradient needs what it took, or what it made. */
  readonly keeps?: readonly ("taken" | "made")[];
}

const defaults = {
  capacity: 1e9,
  copy: { bytesPerSecond: 1e6, latencySeconds: 0 },
  codecSecondsPerByte: 1e-8,
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? E[] : T[K] };

/** Forward units, backward units from the last layer to the first, then an update of each parameter in its place. */
export function trainingStep(layers: readonly LayerShape[], given: Partial<typeof defaults> = {}): MemoryView {
  const tensors: Mutable<TensorView>[] = [];
  const units: UnitView[] = [];
  const tensor = (name: string, bytes: number, how: Partial<TensorView> = {}): TensorId =>
    tensors.push({
      name,
      bytes,
      producer: undefined,
      uses: [],
      needs: [],
      output: false,
      ...how,
    } as Mutable<TensorView>) - 1;
  const unit = (how: Omit<UnitView, "workspaceBytes">): void => {
    const id = units.push({ ...how, workspaceBytes: 0 }) - 1;
    for (const t of new Set(how.reads)) tensors[t]!.uses.push(id);
    for (const t of how.writes) tensors[t]!.producer = id;
  };
  const data = tensor("data", layers[0]!.bytes);
  const parameters = layers.map(({ name, parameterBytes }) =>
    parameterBytes === undefined ? undefined : tensor(`${name} parameters`, parameterBytes),
  );
  const some = (ids: readonly (TensorId | undefined)[]): TensorId[] => ids.filter((t) => t !== undefined);
  const made: TensorId[] = [];
  const taken = layers.map(({ from }, i) => from ?? (i === 0 ? [] : [i - 1]));
  const takenTensors = (i: number): TensorId[] => (taken[i]!.length === 0 ? [data] : taken[i]!.map((l) => made[l]!));
  for (const [i, { name, bytes, seconds, kind }] of layers.entries()) {
    made.push(tensor(name, bytes));
    unit({ name, reads: some([...takenTensors(i), parameters[i]]), writes: [made[i]!], seconds, kind });
  }
  const turn = units.length;
  const gradients = new Map<number, TensorId[]>();
  const updates: (() => void)[] = [];
  for (const [i, { name, seconds, kind, keeps = ["taken", "made"] }] of [...layers.entries()].reverse()) {
    const kept = keeps.flatMap((k) => (k === "made" ? [made[i]!] : takenTensors(i)));
    const writes = taken[i]!.map((l) => {
      const g = tensor(`gradient of ${layers[l]!.name} from ${name}`, layers[l]!.bytes);
      gradients.set(l, [...(gradients.get(l) ?? []), g]);
      return g;
    });
    const w = parameters[i];
    const dw = w === undefined ? undefined : tensor(`gradient of ${name} parameters`, tensors[w]!.bytes);
    const reads = [...new Set(some([...kept, ...(gradients.get(i) ?? []), w]))];
    unit({ name: `${name} backward`, reads, writes: some([...writes, dw]), seconds: 2 * seconds, kind });
    if (w === undefined || dw === undefined) continue;
    updates.push(() => {
      const next = tensor(`${name} parameters'`, tensors[w]!.bytes, { output: true, replaces: w });
      unit({ name: `${name} update`, reads: [w, dw], writes: [next], seconds: seconds / 100, kind: "other" });
    });
  }
  for (const update of updates) update();
  for (const t of tensors) t.needs = t.uses.filter((u) => u >= turn).map(() => "value");
  return { units, tensors, turn, ...defaults, ...given };
}

/** A row of convolutions, each followed by a cheap layer. */
export const plainNetwork = (depth: number, given: Partial<typeof defaults> = {}): MemoryView =>
  trainingStep(
    Array.from({ length: depth }, (_, i): readonly LayerShape[] => [
      { name: `conv${i}`, bytes: 64 * 1024, seconds: 0.1, kind: "convolution", parameterBytes: 4096, keeps: ["taken"] },
      { name: `act${i}`, bytes: 64 * 1024, seconds: 0.01, kind: "other", keeps: ["taken"] },
    ]).flat(),
    given,
  );

/** Blocks in which a layer's result skips two others. */
export const residualNetwork = (blocks: number, given: Partial<typeof defaults> = {}): MemoryView => {
  const layers: LayerShape[] = [
    { name: "stem", bytes: 32768, seconds: 0.02, kind: "convolution", parameterBytes: 4096 },
  ];
  for (let b = 0; b < blocks; b++) {
    const last = layers.length - 1;
    const bytes = 32768 >> Math.floor((2 * b) / blocks);
    const how = { bytes, kind: "convolution", parameterBytes: 8192, keeps: ["taken"] } as const;
    layers.push({ name: `${b}.conv1`, seconds: 0.1, ...how });
    layers.push({ name: `${b}.act`, bytes, seconds: 0.01, kind: "other", keeps: ["made"] });
    layers.push({ name: `${b}.conv2`, seconds: 0.1, ...how });
    layers.push({ name: `${b}.add`, bytes, seconds: 0.01, kind: "other", from: [last, last + 3], keeps: [] });
    layers.push({ name: `${b}.out`, bytes, seconds: 0.01, kind: "other", keeps: ["made"] });
  }
  return trainingStep(layers, given);
};

/**
 * The modelled machine over real memory: a unit fills what it writes with a number that follows from what it reads. Copies happen
 * when they end, and their source must be then what it was when they began.
 */
export class CheckingMachine extends ModelledMachine {
  readonly memory: Float64Array;
  readonly #view: MemoryView;
  readonly #host = new Map<TensorId, number>();
  readonly #copies = new Map<Ticket, () => void>();
  readonly #encoded = new Map<number, number>();

  constructor(view: MemoryView) {
    super(view);
    this.#view = view;
    this.memory = new Float64Array(view.capacity / 8);
  }

  fill(tensor: TensorId, offset: number, value: number): void {
    this.memory.fill(value, offset / 8, (offset + this.#view.tensors[tensor]!.bytes) / 8);
  }

  valueIn(tensor: TensorId, offset: number): number {
    const all = this.memory.subarray(offset / 8, (offset + this.#view.tensors[tensor]!.bytes) / 8);
    const { name } = this.#view.tensors[tensor]!;
    assert.ok(
      all.every((x) => x === all[0] && x !== 0),
      `${name} at ${offset} was written over`,
    );
    return all[0]!;
  }

  override run(unit: UnitId, offsetOf?: OffsetOf): void {
    const { reads, writes } = this.#view.units[unit]!;
    const values = reads.map((t) => this.valueIn(t, offsetOf!(t)));
    super.run(unit);
    for (const [i, t] of writes.entries()) this.fill(t, offsetOf!(t), draw(unit, i, ...values.map((v) => v * 2 ** 32)));
  }

  override copy(direction: "out" | "in", tensor: TensorId, offset: number, bytes: number): Ticket {
    const ticket = super.copy(direction, tensor, offset, bytes);
    const began = direction === "out" ? this.valueIn(tensor, offset) : 0;
    this.#copies.set(ticket, () => {
      if (direction === "in") return this.fill(tensor, offset, this.#host.get(tensor)!);
      const value = this.memory[offset / 8]!;
      // A copy that nobody waits for any more may see its source go.
      if (value === began) this.#host.set(tensor, value);
    });
    return ticket;
  }

  override done(ticket: Ticket): boolean {
    const done = super.done(ticket);
    if (done) this.#end(ticket);
    return done;
  }

  override wait(ticket: Ticket): void {
    super.wait(ticket);
    this.#end(ticket);
  }

  #end(ticket: Ticket): void {
    this.#copies.get(ticket)?.();
    this.#copies.delete(ticket);
  }

  override move(from: number, to: number, bytes: number): void {
    super.move(from, to, bytes);
    this.memory.copyWithin(to / 8, from / 8, (from + bytes) / 8);
    for (const [at, value] of [...this.#encoded]) {
      if (at < from || at >= from + bytes) continue;
      this.#encoded.delete(at);
      this.#encoded.set(at - from + to, value);
    }
  }

  override encode(tensor: TensorId, _as?: Encoding, from?: number, to?: number): void {
    super.encode(tensor);
    this.#encoded.set(to!, this.valueIn(tensor, from!));
  }

  override decode(tensor: TensorId, _as?: Encoding, from?: number, to?: number): void {
    super.decode(tensor);
    this.fill(tensor, to!, this.#encoded.get(from!)!);
  }
}

/** What outputs are worth after steps under the plans, one after the other. */
export function runChecked(
  view: MemoryView,
  plans: readonly MemoryPlan[],
): { readonly values: readonly number[]; readonly records: readonly StepRecord[] } {
  const machine = new CheckingMachine(view);
  const engine = new MemoryEngine(view, machine);
  for (const [t, { producer }] of view.tensors.entries()) {
    if (producer === undefined) machine.fill(t, engine.offsetOf(t), 1 + t);
  }
  const records = plans.map((plan) => engine.step(plan));
  const lasting = [...view.tensors.keys()].filter((t) => {
    const { producer, output, replaces } = view.tensors[t]!;
    return producer === undefined || (output && replaces === undefined);
  });
  return { values: lasting.map((t) => machine.valueIn(t, engine.offsetOf(t))), records };
}
