/** Where a program's own buffers lie in one arena, and after which calls all threads must meet. */
import type { ArrayProgram } from "./program.ts";

export interface ArrayPlan {
  /** Byte offset in the arena of each buffer that is not bound by the caller. */
  readonly offsets: readonly (number | undefined)[];
  readonly arenaBytes: number;
  /** By call. */
  readonly barriers: readonly boolean[];
}

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Each buffer lives from the call that first uses it to the one that last does. */
export function planArena(program: Omit<ArrayProgram<unknown>, "kernels">): Omit<ArrayPlan, "barriers"> {
  const { calls, buffers } = program;
  const spans = new Map<number, { first: number; last: number }>();
  for (const [i, call] of calls.entries()) {
    for (const arg of call.args) {
      if (arg.kind !== "buffer") continue;
      const { input, output } = buffers[arg.id]!;
      if (input !== undefined || output !== undefined) continue;
      const span = spans.get(arg.id);
      if (span === undefined) spans.set(arg.id, { first: i, last: i });
      else span.last = i;
    }
  }
  const offsets = new Array<number | undefined>(buffers.length);
  const order = [...spans.entries()].sort((a, b) => a[1].first - b[1].first);
  let live: { readonly from: number; readonly to: number; readonly last: number }[] = [];
  let arenaBytes = 64;
  for (const [id, { first, last }] of order) {
    live = live.filter((other) => other.last >= first);
    const bytes = aligned(buffers[id]!.bytes);
    let at = 0;
    for (const { from, to } of live) {
      if (from - at >= bytes) break;
      at = Math.max(at, to);
    }
    offsets[id] = at;
    live.push({ from: at, to: at + bytes, last });
    live.sort((a, b) => a.from - b.from);
    arenaBytes = Math.max(arenaBytes, at + bytes);
  }
  return { offsets, arenaBytes };
}

interface Touched {
  readonly from: number;
  readonly to: number;
  readonly written: boolean;
}

/**
 * A barrier follows a call where a later one, before the next barrier, touches what it or one before it wrote, or writes what
 * they touched. `place` is where a buffer lies: those of different callers far from each other.
 */
export function barriersOf(
  program: Omit<ArrayProgram<unknown>, "kernels">,
  place: (buffer: number) => number,
): readonly boolean[] {
  const barriers = program.calls.map(() => false);
  let open: Touched[] = [];
  for (const [i, call] of program.calls.entries()) {
    const touched: Touched[] = [];
    for (const arg of call.args) {
      if (arg.kind !== "buffer") continue;
      const from = place(arg.id);
      touched.push({ from, to: from + program.buffers[arg.id]!.bytes, written: arg.written });
    }
    const conflicts = touched.some((x) => open.some((y) => (x.written || y.written) && x.from < y.to && y.from < x.to));
    if (conflicts) {
      barriers[i - 1] = true;
      open = [];
    }
    open.push(...touched);
  }
  return barriers;
}
