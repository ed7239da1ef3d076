/**
 * A compiled program on a device: addresses bound once, then each step is a few numbers and one run.
 *
 *     program + regions ──► parameters ──► run(T, S): launch list of its class, counters set ──► device
 */

import { classOf, extentOf, type StepSize } from "../compile/launch-view.ts";
import { sharesOf } from "../compile/lower/attention.ts";
import type { Argument } from "../compile/lower.ts";
import type { Program } from "../compile/schedule.ts";
import type { TileProgram } from "../compile/tile.ts";
import { assert } from "../core/errors.ts";
import type { Dim, InputName, Rope } from "../graph/ir.ts";
import type { Device, Region, Rendered, Span } from "./device.ts";
import { type LaunchList, LaunchLists, type NamedLaunch } from "./launch-list.ts";

export interface Bindings {
  readonly arena: Region;
  readonly weights: ReadonlyMap<string, Region>;
  readonly inputs: Readonly<Partial<Record<InputName, Region>>>;
  readonly slots: Region;
  readonly starts: Region;
  readonly tables: Region;
  readonly masks: Region;
  /** Of as many bytes as `partialsBytes` says. */
  readonly partials: Region;
  rope(rope: Rope): Region;
  cache(layer: number, part: "keys" | "values"): Region;
}

/** What a graph without attention is bound to for the sake of it: nothing of it is read. */
export const withoutAttention = (
  unread: Region,
): Pick<Bindings, "slots" | "starts" | "tables" | "masks" | "partials" | "rope" | "cache"> => ({
  ...{ slots: unread, starts: unread, tables: unread, masks: unread, partials: unread },
  rope: () => unread,
  cache: () => unread,
});

export interface Session {
  /** Runs the program over T tokens and S output rows. */
  run(tokens: number, rows: number): Promise<void>;
  /** The same on a device opened with `timed`; a span's record is the index of its call in the program. */
  timedRun(tokens: number, rows: number): Promise<readonly Span[]>;
  /** Row `row` of an output, `floats` long: a view of the arena. */
  output(name: string, row: number, floats: number): Float32Array;
  close(): void;
}

export function bind(
  device: Device,
  program: Program<TileProgram | Rendered>,
  bindings: Bindings,
  launch: NamedLaunch,
): Session {
  const handles = device.install(program.kernels);
  const total = program.calls.reduce((n, call) => n + call.args.length, 0);
  const parameters = device.alloc(Math.max(64, total * 8));
  const words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
  const counts: Count[] = [];
  let next = 0;
  const installed = program.calls.map((call) => {
    const args = parameters.address + next;
    for (const argument of call.args) {
      if (argument.kind === "count") counts.push({ at: next, dim: argument.dim });
      else if (argument.kind === "shares") counts.push({ at: next, dim: "shares" });
      else words.setBigUint64(next, BigInt(addressOf(argument, program, bindings)), true);
      next += 8;
    }
    return { kernel: handles[call.kernel]!, args };
  });
  const lists = new LaunchLists(device, program, launch, installed, (name) => bindings.weights.get(name)!.bytes);
  const prepare = preparation(words, counts, lists, device.threads);
  return {
    run: (tokens, rows) => runList(device, prepare({ tokens, rows })),
    async timedRun(tokens, rows) {
      assert(device.timedRun !== undefined, () => "the device was opened without `timed`");
      const list = prepare({ tokens, rows });
      const spans: Span[] = [];
      for (const { records, count, first } of list.segments) {
        // Native calls are timed each by itself: they are put one behind the other.
        const start = spans.reduce((latest, { end }) => Math.max(latest, end), 0);
        const timed = await device.timedRun(records, count);
        spans.push(...timed.flatMap((span) => ofCall(span, list, first, start)));
      }
      return spans;
    },
    output(name, row, floats) {
      const id = program.outputs[name];
      assert(id !== undefined, () => `the program has no output ${name}`);
      const at = bindings.arena.offset + program.offsets[id]! + row * program.buffers[id]!.rowBytes;
      return new Float32Array(bindings.arena.buffer, at, floats);
    },
    close() {
      device.free(parameters);
      lists.close();
    },
  };
}

/** A parameter that is a number of the step. */
interface Count {
  readonly at: number;
  readonly dim: Dim | "shares";
}

/** Makes a list ready for a step. Of steps of one size in a row, the counts stay as they are. */
function preparation(words: DataView, counts: readonly Count[], lists: LaunchLists, threads: number) {
  let last: { readonly size: StepSize; readonly list: LaunchList } | undefined;
  const listOf = (size: StepSize): LaunchList => {
    if (last?.size.tokens === size.tokens && last.size.rows === size.rows) return last.list;
    const shares = sharesOf(classOf(size).tokens, threads);
    for (const { at, dim } of counts) words.setInt32(at, dim === "shares" ? shares : extentOf(dim, size), true);
    last = { size, list: lists.of(size) };
    return last.list;
  };
  return (size: StepSize): LaunchList => {
    const list = listOf(size);
    list.prepare(size);
    return list;
  };
}

/** A step that takes no longer than this may hold the thread of JavaScript: other work waits as long at most. */
const shortSeconds = 0.01;

/**
 * An asynchronous call wakes two threads that sleep, one to run the list and one to hear of its end: up to a tenth of a step
 * of one token. A list that was short when it last ran is called on this thread, once what waits for this thread has been done.
 */
export async function runList(
  device: Pick<Device, "machine" | "run" | "runNow">,
  list: Pick<LaunchList, "segments" | "seconds">,
): Promise<void> {
  const here = device.machine && (list.seconds ?? Number.POSITIVE_INFINITY) <= shortSeconds;
  if (here) await new Promise((resolve) => setImmediate(resolve));
  const began = performance.now();
  for (const { records, count } of list.segments) {
    if (here) device.runNow(records, count);
    else await device.run(records, count);
  }
  list.seconds = (performance.now() - began) / 1000;
}

/** A span of a record as one of its call; none where the record was another thread's. */
function ofCall(span: Span, { plan, calls }: LaunchList, first: number, start: number): readonly Span[] {
  const task = first + span.record;
  if ((plan[task]!.thread ?? span.thread) !== span.thread) return [];
  const { thread, begin, worked, end } = span;
  return [{ record: calls[task]!, thread, begin: start + begin, worked: start + worked, end: start + end }];
}

function addressOf(
  argument: Exclude<Argument, { kind: "count" | "shares" }>,
  program: Program<unknown>,
  bindings: Bindings,
): number {
  switch (argument.kind) {
    case "buffer":
      return bindings.arena.address + program.offsets[argument.id]! + (argument.offset ?? 0);
    case "weight": {
      const region = bindings.weights.get(argument.name);
      assert(region !== undefined, () => `weight ${argument.name} is not bound`);
      return region.address;
    }
    case "input": {
      const region = bindings.inputs[argument.name];
      assert(region !== undefined, () => `input ${argument.name} is not bound`);
      return region.address;
    }
    case "cache":
      return bindings.cache(argument.layer, argument.part).address;
    case "rope":
      return bindings.rope(argument.rope).address;
    default:
      return bindings[argument.kind].address;
  }
}
