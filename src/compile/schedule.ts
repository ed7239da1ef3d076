/**
 * Where buffers lie, and what each call touches.
 *
 * Buffers share one arena: each gets the first gap that nothing alive at the same time overlaps. Memory is used again only
 * where whatever used it comes before the new buffer's first call by the data that flows; so calls that could run together
 * (the products for q, k and v, branches of a network) are not kept apart by the memory that they happen to get.
 */
import { assert } from "../core/errors.ts";
import { type Access, accessesOf, dependencies, fences } from "./dependencies.ts";
import { Order } from "./launch-order.ts";
import type { Buffer, Call, Lowered } from "./lower.ts";
import type { TileProgram } from "./tile.ts";

export interface ScheduledCall extends Call {
  /** Whether threads that could wait for each other only all together would do so behind it. */
  readonly barrier: boolean;
}

/** `K` is what stands for a kernel: its tile program, or what a device rendered of it. */
export interface Program<K = TileProgram> extends Omit<Lowered, "calls" | "kernels"> {
  readonly kernels: readonly K[];
  readonly calls: readonly ScheduledCall[];
  /** Byte offset of each buffer in the arena. */
  readonly offsets: readonly number[];
  readonly arenaBytes: number;
  /** What each call touches in the arena and the caches. */
  readonly accesses: readonly (readonly Access[])[];
}

/** The program with its kernels as tile programs: what was compiled, and not read from a cache. */
export function asCompiled<K>(program: Program<K | TileProgram>): Program {
  const kernels = program.kernels.map((kernel) => {
    assert(typeof kernel === "object" && kernel !== null && "body" in kernel, () => "a kernel is code already");
    return kernel;
  });
  return { ...program, kernels };
}

interface Limits {
  readonly tokensMax: number;
  readonly rowsMax: number;
}

export function schedule(lowered: Lowered, limits: Limits): Program {
  const sizes = lowered.buffers.map((b) => bytesOf(b, limits));
  const offsets = place(lowered, sizes);
  const arenaBytes = Math.max(64, ...offsets.map((o, i) => o + sizes[i]!));
  const extents = offsets.map((from, i) => ({ from, to: from + sizes[i]! }));
  const accesses = accessesOf(lowered.calls, extents, arenaBytes);
  const fenced = fences(dependencies(accesses));
  const calls = lowered.calls.map((call, i) => ({ ...call, barrier: fenced.has(i) || i === lowered.calls.length - 1 }));
  return { ...lowered, calls, offsets, arenaBytes, accesses };
}

function bytesOf({ rows, rowBytes }: Buffer, { tokensMax, rowsMax }: Limits): number {
  const count = rows === "T" ? tokensMax : rows === "S" ? rowsMax : rows;
  return Math.ceil((count * rowBytes) / 64) * 64;
}

function place({ calls, buffers, outputs }: Lowered, sizes: readonly number[]): number[] {
  const users = buffers.map((): number[] => []);
  for (const [i, call] of calls.entries()) {
    for (const arg of call.args) if (arg.kind === "buffer") users[arg.id]!.push(i);
  }
  const wanted = new Set(Object.values(outputs));
  const order = dataOrder({ calls, buffers });
  /** Whether the memory of `old` is free when the first call that uses `id` runs, whatever else runs with it. */
  const free = (old: number, id: number): boolean => {
    const first = users[id]![0];
    return first === undefined || (!wanted.has(old) && users[old]!.every((call) => order.has(call, first)));
  };
  const offsets: number[] = [];
  for (const [id, bytes] of sizes.entries()) {
    const taken = offsets
      .map((from, old) => ({ from, to: from + sizes[old]!, old }))
      .filter(({ old }) => !free(old, id))
      .sort((a, b) => a.from - b.from);
    let at = 0;
    for (const { from, to } of taken) {
      if (from - at >= bytes) break;
      at = Math.max(at, to);
    }
    offsets.push(at);
  }
  return offsets;
}

/** Which calls come before which by the data that flows between them, wherever it lies. */
function dataOrder({ calls, buffers }: Pick<Lowered, "calls" | "buffers">): Order {
  const apart = buffers.map((_, id) => ({ from: id, to: id + 1 }));
  const order = new Order(calls.length);
  for (const [call, after] of dependencies(accessesOf(calls, apart, buffers.length)).entries()) {
    for (const earlier of after) order.add(earlier, call);
  }
  return order;
}
