/**
 * A compiled program on a device: addresses bound once, then each step is a few numbers and one run.
 *
 *     program + regions ──► parameters, launch records ──► run(T, S) sets items and counters ──► device
 */

import type { Argument } from "../compile/lower.ts";
import type { Program } from "../compile/schedule.ts";
import { assert } from "../core/errors.ts";
import type { Dim, InputName, Rope } from "../graph/ir.ts";
import { type Device, type Region, record, type Span } from "./device.ts";

export interface Bindings {
  readonly arena: Region;
  readonly weights: ReadonlyMap<string, Region>;
  readonly inputs: Readonly<Record<InputName, Region>>;
  readonly slots: Region;
  readonly starts: Region;
  readonly tables: Region;
  readonly masks: Region;
  rope(rope: Rope): Region;
  cache(layer: number, part: "keys" | "values"): Region;
}

export interface Session {
  /** Runs the program over T tokens and S output rows. */
  run(tokens: number, rows: number): Promise<void>;
  /** The same on a device opened with `timed`; a span's record is the index of its call in the program. */
  timedRun(tokens: number, rows: number): Promise<readonly Span[]>;
  /** Row `row` of an output, `floats` long: a view of the arena. */
  output(name: string, row: number, floats: number): Float32Array;
  close(): void;
}

/** Chunks a thread claims of each call, if there are so many items: enough to even out, few enough to be cheap. */
const claims = 8;

export function bind(device: Device, program: Program, bindings: Bindings): Session {
  const handles = device.install(program.kernels);
  const total = program.calls.reduce((n, call) => n + call.args.length, 0);
  const parameters = device.alloc(Math.max(64, total * 8));
  const records = device.alloc(program.calls.length * record.stride);
  const words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
  const launch = new DataView(records.buffer, records.offset, records.bytes);
  const counts: { readonly at: number; readonly dim: Dim }[] = [];
  let next = 0;
  for (const [i, call] of program.calls.entries()) {
    launch.setBigUint64(i * record.stride + record.kernel, BigInt(handles[call.kernel]!), true);
    launch.setBigUint64(i * record.stride + record.args, BigInt(parameters.address + next), true);
    launch.setInt32(i * record.stride + record.barrier, call.barrier ? 1 : 0, true);
    for (const argument of call.args) {
      if (argument.kind === "count") counts.push({ at: next, dim: argument.dim });
      else words.setBigUint64(next, BigInt(addressOf(argument, program, bindings)), true);
      next += 8;
    }
  }
  const prepare = (tokens: number, rows: number): void => {
    const extent = (dim: Dim): number => (dim === "T" ? tokens : dim === "S" ? rows : dim);
    for (const { at, dim } of counts) words.setInt32(at, extent(dim), true);
    for (const [i, { items }] of program.calls.entries()) {
      const count = extent(items.dim) * items.times;
      const at = i * record.stride;
      launch.setInt32(at + record.items, count, true);
      launch.setInt32(at + record.chunk, Math.max(1, Math.floor(count / (device.threads * claims))), true);
      launch.setInt32(at + record.counter, 0, true);
    }
  };
  return {
    async run(tokens, rows) {
      prepare(tokens, rows);
      await device.run(records, program.calls.length);
    },
    async timedRun(tokens, rows) {
      assert(device.timedRun !== undefined, () => "the device was opened without `timed`");
      prepare(tokens, rows);
      return device.timedRun(records, program.calls.length);
    },
    output(name, row, floats) {
      const id = program.outputs[name];
      assert(id !== undefined, () => `the program has no output ${name}`);
      const at = bindings.arena.offset + program.offsets[id]! + row * program.buffers[id]!.rowBytes;
      return new Float32Array(bindings.arena.buffer, at, floats);
    },
    close() {
      device.free(parameters);
      device.free(records);
    },
  };
}

function addressOf(argument: Exclude<Argument, { kind: "count" }>, program: Program, bindings: Bindings): number {
  switch (argument.kind) {
    case "buffer":
      return bindings.arena.address + program.offsets[argument.id]! + (argument.offset ?? 0);
    case "weight": {
      const region = bindings.weights.get(argument.name);
      assert(region !== undefined, () => `weight ${argument.name} is not bound`);
      return region.address;
    }
    case "input":
      return bindings.inputs[argument.name].address;
    case "cache":
      return bindings.cache(argument.layer, argument.part).address;
    case "rope":
      return bindings.rope(argument.rope).address;
    default:
      return bindings[argument.kind].address;
  }
}
