/** The machine of the memory engine for real: units are compiled graphs on a device, tensors lie in one region of its memory. */
import { assert } from "../../core/errors.ts";
import { type ArraySession, openArrays } from "../../device/array-session.ts";
import type { Device, Region } from "../../device/device.ts";
import { sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, TensorId, UnitId } from "../memory.ts";
import { type CopyEngine, openCopyEngine } from "./copy-engine.ts";
import { now } from "./copy-ring.ts";
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
  readonly #device: Device;
  readonly #step: StepView;
  readonly #sessions: readonly ArraySession[];
  readonly #copies: CopyEngine;
  /** Where each tensor's copy lies on the host. */
  readonly #hostOffsets: readonly number[];
  readonly #pooled: ReadonlyMap<TensorId, Pooled>;
  readonly #bindings: readonly (readonly (readonly [name: string, tensor: TensorId])[])[];

  private constructor(
    device: Device,
    step: StepView,
    arena: Region,
    sessions: readonly ArraySession[],
    copies: CopyEngine,
    pooled: ReadonlyMap<TensorId, Pooled>,
  ) {
    this.arena = arena;
    this.#device = device;
    this.#step = step;
    this.#sessions = sessions;
    this.#copies = copies;
    this.#hostOffsets = hostOffsets(step);
    this.#pooled = pooled;
    const tensorOf = new Map(step.nodes.map((node, id) => [node, id]));
    this.#bindings = step.parts.map(({ reads, result }) => {
      const named = reads.map((node) => [inputName(node), tensorOf.get(node)!] as const);
      return [...named, ["y", tensorOf.get(result)!] as const];
    });
  }

  /** `Σ arenaBytes` of the units is memory of the device beside the arena. */
  static async open(device: Device, training: TrainingGraph, step: StepView): Promise<DeviceMachine> {
    const { view, parts, nodes } = step;
    const sessions = parts.map((part, unit) => {
      const { replaces } = view.tensors[view.units[unit]!.writes[0]!]!;
      const donate = replaces === undefined ? {} : { y: inputName(nodes[replaces]!) };
      return openArrays(device, graphOfPart(training.graph, part), { donate });
    });
    const arena = device.alloc(view.capacity);
    const hostBytes = hostOffsets(step).at(-1)!;
    const copies = await openCopyEngine(device, arena, hostBytes, view.copy);
    return new DeviceMachine(device, step, arena, sessions, copies, pooledTensors(training, step));
  }

  /** What units hold between their calls. */
  get workspaceBytes(): number {
    return this.#sessions.reduce((sum, s) => sum + s.arenaBytes, 0);
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
    for (const session of this.#sessions) session.close();
    this.#device.free(this.arena);
  }

  #bits(tensor: TensorId, offset: number): Uint32Array {
    const { buffer, offset: start, bytes } = this.region(tensor, offset);
    return new Uint32Array(buffer, start, bytes / 4);
  }

  #bytes(offset: number, bytes: number): Uint8Array {
    return new Uint8Array(this.arena.buffer, this.arena.offset + offset, bytes);
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
