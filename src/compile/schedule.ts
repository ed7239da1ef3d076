/**
 * Where buffers lie, and where threads must wait for each other.
 *
 * Buffers share one arena: each gets the first gap that nothing alive at the same time overlaps. A barrier stands only
 * before a call that touches memory which a call since the last barrier writes, or writes memory which one reads; so
 * independent calls (the products for q, k and v) run into each other without waiting.
 */
import { type Access, accessesOf } from "./dependencies.ts";
import type { Argument, Buffer, Call, Lowered } from "./lower.ts";

export interface ScheduledCall extends Call {
  /** Threads wait for each other after this call. */
  readonly barrier: boolean;
}

export interface Program extends Omit<Lowered, "calls"> {
  readonly calls: readonly ScheduledCall[];
  /** Byte offset of each buffer in the arena. */
  readonly offsets: readonly number[];
  readonly arenaBytes: number;
  /** What each call touches in the arena and the caches. */
  readonly accesses: readonly (readonly Access[])[];
}

interface Limits {
  readonly tokensMax: number;
  readonly rowsMax: number;
}

interface Extent {
  readonly from: number;
  readonly to: number;
}

export function schedule(lowered: Lowered, limits: Limits): Program {
  const sizes = lowered.buffers.map((b) => bytesOf(b, limits));
  const offsets = place(lowered, sizes);
  const arenaBytes = Math.max(64, ...offsets.map((o, i) => o + sizes[i]!));
  const extents = offsets.map((from, i) => ({ from, to: from + sizes[i]! }));
  const accesses = accessesOf(lowered.calls, extents, arenaBytes);
  return { ...lowered, calls: withBarriers(lowered.calls, extents), offsets, arenaBytes, accesses };
}

function bytesOf({ rows, rowBytes }: Buffer, { tokensMax, rowsMax }: Limits): number {
  const count = rows === "T" ? tokensMax : rows === "S" ? rowsMax : rows;
  return Math.ceil((count * rowBytes) / 64) * 64;
}

function place({ calls, buffers, outputs }: Lowered, sizes: readonly number[]): number[] {
  const first = buffers.map(() => Number.POSITIVE_INFINITY);
  const last = buffers.map(() => -1);
  for (const [i, call] of calls.entries()) {
    for (const arg of call.args) {
      if (arg.kind !== "buffer") continue;
      first[arg.id] = Math.min(first[arg.id]!, i);
      last[arg.id] = Math.max(last[arg.id]!, i);
    }
  }
  for (const id of Object.values(outputs)) last[id] = calls.length;
  const offsets: number[] = [];
  for (const [id, bytes] of sizes.entries()) {
    const alive = offsets
      .map((from, other) => ({ from, to: from + sizes[other]!, other }))
      .filter(({ other }) => first[other]! <= last[id]! && first[id]! <= last[other]!)
      .sort((a, b) => a.from - b.from);
    let at = 0;
    for (const { from, to } of alive) {
      if (from - at >= bytes) break;
      at = Math.max(at, to);
    }
    offsets.push(at);
  }
  return offsets;
}

function withBarriers(calls: readonly Call[], extents: readonly Extent[]): ScheduledCall[] {
  const barrierAfter = new Set<number>();
  let written: string[] = [];
  let read: string[] = [];
  let open: { readonly extent: Extent; readonly written: boolean }[] = [];
  for (const [i, call] of calls.entries()) {
    const accesses = call.args.flatMap((a) =>
      a.kind === "buffer" ? [{ extent: extents[a.id]!, written: a.written }] : [],
    );
    const caches = call.args.filter((a) => a.kind === "cache").map(cacheName);
    const [writes, reads] = call.op === "cacheStore" ? [caches, []] : [[], caches];
    const conflict =
      accesses.some((a) => open.some((o) => (a.written || o.written) && overlap(a.extent, o.extent))) ||
      writes.some((c) => written.includes(c) || read.includes(c)) ||
      reads.some((c) => written.includes(c));
    if (conflict) {
      barrierAfter.add(i - 1);
      [open, written, read] = [[], [], []];
    }
    open.push(...accesses);
    written.push(...writes);
    read.push(...reads);
  }
  return calls.map((call, i) => ({ ...call, barrier: barrierAfter.has(i) || i === calls.length - 1 }));
}

const overlap = (a: Extent, b: Extent): boolean => a.from < b.to && b.from < a.to;

function cacheName(arg: Argument): string {
  return arg.kind === "cache" ? `${arg.layer} ${arg.part}` : "";
}
