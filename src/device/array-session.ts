/**
 * A graph of arrays on a device: compiled once, then each run is some addresses and one launch.
 *
 *     graph ──► program ──► arena, records ──► run(bindings): addresses set, counters set ──► device
 */

import { copy } from "../compile/array/op/copy.ts";
import { type ArrayPlan, barriersOf, planArena } from "../compile/array/plan.ts";
import { type ArrayProgram, compileArrays } from "../compile/array.ts";
import { assert, UserError } from "../core/errors.ts";
import type { ArrayGraph } from "../graph/array.ts";
import { chunkOf } from "./call-list.ts";
import { type Device, type Region, record, type Span } from "./device.ts";

/** What each thread's kernels of arrays have for packed operands and the like. */
export const arrayScratchBytes = 4 << 20;

export type ArrayBindings = Readonly<Record<string, Region>>;

export interface ArraySessionOptions {
  /**
   * `{ "w'": "w" }`: the output may be written over that input. Its region is then that of the input, and is not to be bound.
   */
  readonly donate?: Readonly<Record<string, string>>;
  /** Gives the memory between calls, which stays the caller's: sessions that never run at once may share it. */
  readonly memory?: (bytes: number) => Region;
  /** As `compileArrays` has it. */
  readonly fused?: boolean;
}

export interface ArraySession {
  readonly program: ArrayProgram;
  /** Bytes of the memory between calls. */
  readonly arenaBytes: number;
  /** Every input and output that is not donated must be bound; regions may change from run to run. */
  run(bindings: ArrayBindings): Promise<void>;
  /** The same, while this thread waits. */
  runNow(bindings: ArrayBindings): void;
  /** On a device opened with `timed`; a span's record is the index of its call in the program. */
  timedRun(bindings: ArrayBindings): Promise<readonly Span[]>;
  close(): void;
}

/** Below so many bytes touched, waking other threads takes longer than the work; below so many a call, waiting for them does. */
const aloneBytes = { program: 1 << 20, call: 1 << 15 };

/** Throws a `UserError` for operations that are not compiled, and for scratch that the device lacks. */
export function openArrays(device: Device, graph: ArrayGraph, options: ArraySessionOptions = {}): ArraySession {
  const { donate = {}, fused = true } = options;
  const program = withDonations(compileArrays(graph, { target: device.target, fused }), donate);
  if (program.scratchBytes > device.scratchBytes) {
    throw new UserError(
      `This graph's kernels need ${program.scratchBytes} bytes of scratch; the device has ${device.scratchBytes}.`,
      "Open the device with more scratchBytes.",
    );
  }
  return new Session(device, program, options);
}

/** Outputs that cannot be written over their input while the program runs go there by way of a buffer of their own. */
function withDonations(program: ArrayProgram, donate: Readonly<Record<string, string>>): ArrayProgram {
  const { calls, buffers } = program;
  const kernels = [...program.kernels];
  const more = [...calls];
  const outputs: Record<string, number> = { ...program.outputs };
  const all = [...buffers];
  for (const [name, from] of Object.entries(donate)) {
    const output = program.outputs[name];
    const input = program.inputs[from];
    if (output === undefined) throw new UserError(`Output ${name} was donated ${from}; there is no such output.`);
    if (input === undefined) continue;
    if (buffers[input]!.bytes !== buffers[output]!.bytes) {
      throw new UserError(
        `Output ${name} was donated ${from}; they have ${buffers[output]!.bytes} and ${buffers[input]!.bytes} bytes.`,
      );
    }
    if (mayOverwrite(program, input, output)) continue;
    const { output: bound, ...own } = buffers[output]!;
    all[output] = own;
    outputs[name] = all.push({ ...own, output: bound! }) - 1;
    const kernel = copy(program.target, own.bytes);
    const args = [output, outputs[name]!].map((id, k) => ({ kind: "buffer" as const, id, written: k === 1 }));
    more.push({
      label: "copy",
      kernel: kernels.push(kernel.program) - 1,
      nodes: [own.node!],
      args,
      items: kernel.items,
    });
  }
  return { ...program, kernels, calls: more, buffers: all, outputs };
}

/** Whether nothing reads the input once the output is being written, but element by element what is written there. */
function mayOverwrite({ calls }: ArrayProgram, input: number, output: number): boolean {
  const touches = (id: number, i: number): boolean => calls[i]!.args.some((a) => a.kind === "buffer" && a.id === id);
  const first = calls.findIndex((_, i) => touches(output, i));
  for (let i = first; i >= 0 && i < calls.length; i++) {
    if (touches(input, i) && !(i === first && calls[i]!.inPlace?.includes(input))) return false;
  }
  return true;
}

/** A word of the parameters that depends on what is bound. */
interface BoundWord {
  readonly at: number;
  readonly name: string;
  readonly offset: number;
}

class Session implements ArraySession {
  readonly program: ArrayProgram;
  readonly arenaBytes: number;
  readonly #device: Device;
  readonly #donate: Readonly<Record<string, string>>;
  readonly #regions: Region[] = [];
  readonly #words: DataView;
  readonly #bound: BoundWord[] = [];
  readonly #sizes = new Map<string, number>();
  readonly #addresses = new Map<string, number>();
  readonly #records: Region;
  readonly #counters: Int32Array;
  /** The same records without barriers, for one thread. */
  readonly #alone: Region | undefined;
  readonly #aloneCounters: Int32Array | undefined;

  constructor(device: Device, program: ArrayProgram, { donate = {}, memory: given }: ArraySessionOptions) {
    this.program = program;
    this.#device = device;
    this.#donate = donate;
    const arena = planArena(program);
    const plan: ArrayPlan = { ...arena, barriers: barriersOf(program, this.#placeOf(arena)) };
    this.arenaBytes = plan.arenaBytes;
    for (const { input, output, bytes } of program.buffers) {
      const name = input ?? output;
      if (name !== undefined && !(output !== undefined && output in donate)) this.#sizes.set(name, bytes);
    }
    const memory = given?.(plan.arenaBytes) ?? this.#alloc(plan.arenaBytes);
    const parameters = this.#alloc(program.calls.reduce((n, call) => n + call.args.length, 1) * 8);
    this.#words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
    const starts = this.#parameters(plan, memory, parameters);
    const handles = device.install(program.kernels);
    const write = (barriers: boolean): Region => {
      const region = this.#alloc(Math.max(1, program.calls.length) * record.stride);
      const view = new DataView(region.buffer, region.offset, region.bytes);
      for (const [i, call] of program.calls.entries()) {
        const at = i * record.stride;
        view.setBigUint64(at + record.kernel, BigInt(handles[call.kernel]!), true);
        view.setBigUint64(at + record.args, BigInt(starts[i]!), true);
        view.setInt32(at + record.items, call.items, true);
        view.setInt32(at + record.chunk, barriers ? chunkOf(device, call.items) : call.items, true);
        view.setInt32(at + record.barrier, barriers && plan.barriers[i] ? 1 : 0, true);
      }
      return region;
    };
    this.#records = write(true);
    this.#counters = countersOf(this.#records, program.calls.length);
    const touched = touchedBytes(program);
    if (touched > aloneBytes.program && touched > aloneBytes.call * program.calls.length) return;
    this.#alone = write(false);
    this.#aloneCounters = countersOf(this.#alone, program.calls.length);
  }

  /** Buffers of the caller are far from each other; one that is donated lies over its input. */
  #placeOf({ offsets, arenaBytes }: Omit<ArrayPlan, "barriers">): (id: number) => number {
    const { buffers, inputs } = this.program;
    const apart = Math.max(arenaBytes, ...buffers.map(({ bytes }) => bytes)) + 64;
    return (id) => {
      const offset = offsets[id];
      if (offset !== undefined) return offset;
      const { output } = buffers[id]!;
      const donor = output === undefined ? undefined : inputs[this.#donate[output] ?? ""];
      return (1 + (donor ?? id)) * apart;
    };
  }

  #alloc(bytes: number): Region {
    const region = this.#device.alloc(Math.max(64, bytes));
    this.#regions.push(region);
    return region;
  }

  /** Writes what is the same in each run; gives where each call's parameters begin. */
  #parameters(plan: ArrayPlan, memory: Region, parameters: Region): readonly number[] {
    const { calls, buffers } = this.program;
    let next = 0;
    return calls.map(({ args }) => {
      const start = next;
      for (const arg of args) {
        if (arg.kind === "number") this.#words.setBigInt64(next, BigInt(arg.value), true);
        else {
          const { input, output } = buffers[arg.id]!;
          const name = output === undefined ? input : (this.#donate[output] ?? output);
          const offset = arg.offset ?? 0;
          if (name === undefined) {
            this.#words.setBigUint64(next, BigInt(memory.address + plan.offsets[arg.id]! + offset), true);
          } else this.#bound.push({ at: next, name, offset });
        }
        next += 8;
      }
      return parameters.address + start;
    });
  }

  #bind(bindings: ArrayBindings): void {
    let changed = false;
    for (const [name, bytes] of this.#sizes) {
      const region = bindings[name];
      if (region === undefined || region.bytes < bytes) {
        const what = region === undefined ? "is not bound" : `is bound to ${region.bytes} bytes, and has ${bytes}`;
        throw new UserError(`A run was asked for; ${name} ${what}.`, `Bind ${[...this.#sizes.keys()].join(", ")}.`);
      }
      if (this.#addresses.get(name) === region.address) continue;
      this.#addresses.set(name, region.address);
      changed = true;
    }
    if (!changed) return;
    for (const { at, name, offset } of this.#bound) {
      const address = this.#addresses.get(name) ?? bindings[name]?.address;
      assert(address !== undefined, () => `${name} has no address`);
      this.#words.setBigUint64(at, BigInt(address + offset), true);
    }
  }

  async run(bindings: ArrayBindings): Promise<void> {
    this.#bind(bindings);
    reset(this.#counters);
    await this.#device.run(this.#records, this.program.calls.length);
  }

  runNow(bindings: ArrayBindings): void {
    this.#bind(bindings);
    reset(this.#aloneCounters ?? this.#counters);
    this.#device.runNow(this.#alone ?? this.#records, this.program.calls.length, this.#alone !== undefined);
  }

  async timedRun(bindings: ArrayBindings): Promise<readonly Span[]> {
    assert(this.#device.timedRun !== undefined, () => "the device was opened without `timed`");
    this.#bind(bindings);
    reset(this.#counters);
    return this.#device.timedRun(this.#records, this.program.calls.length);
  }

  close(): void {
    for (const region of this.#regions.splice(0)) this.#device.free(region);
  }
}

const words = record.stride / 4;

const countersOf = (records: Region, count: number): Int32Array =>
  new Int32Array(records.buffer, records.offset, count * words);

function reset(counters: Int32Array): void {
  for (let i = record.counter / 4; i < counters.length; i += words) counters[i] = 0;
}

const touchedBytes = ({ calls, buffers }: ArrayProgram): number =>
  calls.reduce(
    (n, { args }) => n + args.reduce((sum, a) => sum + (a.kind === "buffer" ? buffers[a.id]!.bytes : 0), 0),
    0,
  );
