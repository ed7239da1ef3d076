/** The machine of the memory engine for real: units are compiled graphs on a device, tensors lie in one region of its memory. */
import { assert } from "../../core/errors.ts";
import { type ArraySession, openArrays } from "../../device/array-session.ts";
import type { Device, Region } from "../../device/device.ts";
import { type ArrayGraph, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, MemoryView, TensorId, UnitId } from "../memory.ts";
import { aligned } from "./arena.ts";
import { type CopyEngine, openCopyEngine } from "./copy-engine.ts";
import { now } from "./copy-ring.ts";
import { measuredCosts } from "./costs.ts";
import { decode, encode, encodedBytes, type Windows } from "./encoding.ts";
import type { MemoryMachine, OffsetOf, Ticket } from "./machine.ts";
import { graphOfPart, inputName } from "./partition.ts";
import type { StepView, TrainingGraph } from "./step-view.ts";

/** How the bits of a tensor come back: which tensor has its windows' greatest, and where those lie. */
interface Pooled {
  readonly windows: Windows;
  readonly greatest: TensorId;
}

export class DeviceMachine implements MemoryMachine {
  readonly arena: Region;
  readonly #step: StepView;
  readonly #sessions: readonly ArraySession[];
  readonly #units: Units;
  readonly #copies: CopyEngine;
  /** Where each tensor's copy lies on the host. */
  readonly #hostOffsets: readonly number[];
  readonly #pooled: ReadonlyMap<TensorId, Pooled>;
  readonly #bindings: readonly (readonly (readonly [name: string, tensor: TensorId])[])[];

  private constructor(
    step: StepView,
    arena: Region,
    sessions: readonly ArraySession[],
    units: Units,
    copies: CopyEngine,
    pooled: ReadonlyMap<TensorId, Pooled>,
  ) {
    this.arena = arena;
    this.#step = step;
    this.#units = units;
    this.#sessions = sessions;
    this.#copies = copies;
    this.#hostOffsets = hostOffsets(step);
    this.#pooled = pooled;
    const tensorOf = new Map(step.nodes.map((node, id) => [node, id]));
    this.#bindings = step.parts.map(({ views, result }) => {
      const named = views.map(({ source }, place) => [inputName(place), tensorOf.get(source)!] as const);
      return [...named, ["y", tensorOf.get(result)!] as const];
    });
  }

  /**
   * Units are compiled first: what they need while they run is shared by all, and taken from the capacity. Equal units share what
   * they were compiled to.
   */
  static async open(device: Device, training: TrainingGraph, given: StepView): Promise<DeviceMachine> {
    const units = new Units(device);
    try {
      const sessions = given.parts.map((part, unit) => {
        const [result] = given.view.units[unit]!.writes;
        const { replaces } = given.view.tensors[result!]!;
        const donor = replaces === undefined ? -1 : part.views.findIndex((v) => v.node === given.nodes[replaces]);
        return units.open(graphOfPart(training.graph, part), donor);
      });
      const capacity = Math.max(64, given.view.capacity - units.workspaceBytes);
      const arena = units.alloc(capacity);
      const { copy } = given.view;
      const hostBytes = hostOffsets(given).at(-1)!;
      const copies = await openCopyEngine(device, arena, hostBytes, copy);
      const costs = measuredCosts(copies, arena, copy);
      const step = { ...given, view: { ...given.view, capacity, costs } };
      return new DeviceMachine(step, arena, sessions, units, copies, pooledTensors(training, step));
    } catch (error) {
      units.close();
      throw error;
    }
  }

  /** Its capacity is what units leave of the one given, and copies are seen to end as late as was measured. */
  get view(): MemoryView {
    return this.#step.view;
  }

  get workspaceBytes(): number {
    return this.#units.workspaceBytes;
  }

  now(): Seconds {
    return now();
  }

  run(unit: UnitId, offsetOf: OffsetOf): void {
    const bound = this.#bindings[unit]!.map(([name, t]) => [name, this.region(t, offsetOf(t))] as const);
    this.#sessions[unit]!.runNow(Object.fromEntries(bound));
  }

  copy(direction: "out" | "in", tensor: TensorId, offset: number, bytes: number): Ticket {
    return this.#copies.copy(direction, offset, this.#hostOffsets[tensor]!, bytes);
  }

  done(ticket: Ticket): boolean {
    return this.#copies.done(ticket);
  }

  wait(ticket: Ticket): void {
    this.#copies.wait(ticket);
  }

  move(from: number, to: number, bytes: number): void {
    this.#bytes(0, this.arena.bytes).copyWithin(to, from, from + bytes);
  }

  encodedBytes(tensor: TensorId, as: Encoding, offset: number): number {
    return encodedBytes(this.#bits(tensor, offset), as);
  }

  encode(tensor: TensorId, as: Encoding, from: number, to: number): void {
    const bits = this.#bits(tensor, from);
    const windows = this.#pooled.get(tensor)?.windows;
    encode(bits, as, this.#bytes(to, encodedBytes(bits, as)), windows);
  }

  decode(tensor: TensorId, as: Encoding, from: number, to: number, offsetOf: OffsetOf): void {
    const bits = this.#bits(tensor, to);
    const pooled = as === "binary" ? this.#pooled.get(tensor) : undefined;
    const greatest = pooled === undefined ? undefined : this.#bits(pooled.greatest, offsetOf(pooled.greatest));
    const values = greatest && new Float32Array(greatest.buffer, greatest.byteOffset, greatest.length);
    decode(this.#bytes(from, this.arena.bytes - from), as, bits, pooled?.windows, values);
  }

  /** A tensor's place as the device is given it. */
  region(tensor: TensorId, offset: number): Region {
    const { bytes } = this.#step.view.tensors[tensor]!;
    const { address, buffer, offset: start } = this.arena;
    assert(offset + bytes <= this.arena.bytes, () => `${bytes} bytes at ${offset} are beyond the arena`);
    return { address: address + offset, bytes, buffer, offset: start + offset };
  }

  async close(): Promise<void> {
    await this.#copies.close();
    this.#units.close();
  }

  #bits(tensor: TensorId, offset: number): Uint32Array {
    const { buffer, offset: start, bytes } = this.region(tensor, offset);
    return new Uint32Array(buffer, start, bytes / 4);
  }

  #bytes(offset: number, bytes: number): Uint8Array {
    return new Uint8Array(this.arena.buffer, this.arena.offset + offset, bytes);
  }
}

/** Compiled units, and the memory that is theirs. */
class Units {
  readonly #device: Device;
  readonly #sessions = new Map<string, ArraySession>();
  readonly #regions: Region[] = [];
  #workspace: Region | undefined;
  workspaceBytes = 0;

  constructor(device: Device) {
    this.#device = device;
  }

  alloc(bytes: number): Region {
    const region = this.#device.alloc(bytes);
    this.#regions.push(region);
    return region;
  }

  /** `donor` is the place of what the result is written over, or negative. */
  open(graph: ArrayGraph, donor: number): ArraySession {
    const key = JSON.stringify([graph, donor]);
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const donate = donor < 0 ? {} : { y: inputName(donor) };
    const session = openArrays(this.#device, graph, { donate, memory: (bytes) => this.#shared(bytes) });
    this.#sessions.set(key, session);
    return session;
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
    for (const region of this.#regions.splice(0)) this.#device.free(region);
  }

  #shared(bytes: number): Region {
    if (this.#workspace !== undefined && this.#workspace.bytes >= bytes) return this.#workspace;
    this.#workspace = this.alloc(aligned(bytes));
    this.workspaceBytes += aligned(bytes);
    return this.#workspace;
  }
}

/** Of each tensor, and of what would come behind the last. */
function hostOffsets({ view }: StepView): readonly number[] {
  let next = 0;
  const offsets = view.tensors.map(({ bytes }) => (next += 64 * Math.ceil(bytes / 64)) - 64 * Math.ceil(bytes / 64));
  return [...offsets, next];
}

function pooledTensors({ graph }: TrainingGraph, { nodes, view }: StepView): ReadonlyMap<TensorId, Pooled> {
  const tensorOf = new Map(nodes.map((node, id) => [node, id]));
  const pooled = new Map<TensorId, Pooled>();
  for (const { op, inputs } of graph.nodes) {
    if (op.kind !== "pool2dInput" || op.fn !== "max") continue;
    const [tensor, greatest] = [tensorOf.get(inputs[0]!), tensorOf.get(inputs[1]!)];
    if (tensor === undefined || greatest === undefined || !view.tensors[tensor]!.needs.includes("greatest")) continue;
    const { size, strides, padding } = op;
    const shape = (id: NodeId) => graph.nodes[id]!.type.shape as Windows["input"];
    const [input, output] = [shape(inputs[0]!), shape(inputs[1]!)];
    assert(sizeOf(input) * 4 === view.tensors[tensor]!.bytes, () => "poolings read f32");
    pooled.set(tensor, { windows: { input, output, size, strides, padding: [padding[0], padding[2]] }, greatest });
  }
  return pooled;
}
