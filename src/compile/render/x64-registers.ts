/**
 * Register allocation for tile programs: linear scan over live intervals of structured code (Poletto and Sarkar 1999).
 *
 * An interval runs from a variable's first mention to its last, widened to the end of every loop that it enters from
 * outside. Vectors must fit: a kernel chooses its tile by the target's registers. Integers that do not fit live in stack
 * slots, the ones least used in inner loops first.
 */
import { assert } from "../../core/errors.ts";
import { type Instruction, operands, type TileProgram, type Var } from "../tile.ts";

export type Location =
  | { readonly kind: "register"; readonly register: number }
  | { readonly kind: "slot"; readonly slot: number };

interface Interval {
  readonly variable: Var;
  readonly start: number;
  end: number;
  weight: number;
  /** The loop last found that it must outlive. */
  loop: Loop | undefined;
}

interface Loop {
  readonly start: number;
  /** Variables from outside that are used in it. */
  readonly outer: Interval[];
}

export interface Allocation {
  /** By the variable's id. */
  readonly of: readonly (Location | undefined)[];
  readonly slots: number;
}

export function allocate(program: TileProgram, ints: readonly number[], vectors: readonly number[]): Allocation {
  const intervals = liveness(program).sort((a, b) => a.start - b.start || a.variable.id - b.variable.id);
  const of = new Array<Location | undefined>(program.variables);
  const slots = scan(
    intervals.filter((i) => i.variable.type === "int"),
    ints,
    of,
    true,
    program.name,
  );
  scan(
    intervals.filter((i) => i.variable.type !== "int"),
    vectors,
    of,
    false,
    program.name,
  );
  return { of, slots };
}

/** Vector registers that a program needs: what `allocate` asserts there are. */
export function vectorsNeeded(program: TileProgram): number {
  const changes: number[] = [];
  const change = (at: number, by: number): void => void (changes[at] = (changes[at] ?? 0) + by);
  for (const { variable, start, end } of liveness(program)) {
    if (variable.type === "int") continue;
    change(start, 1);
    change(end + 1, -1);
  }
  let [now, most] = [0, 0];
  for (const by of changes) {
    now += by ?? 0;
    most = Math.max(most, now);
  }
  return most;
}

function liveness(program: TileProgram): Interval[] {
  /** By the variable's id, and in the order in which they are first mentioned. */
  const intervals = new Array<Interval | undefined>(program.variables);
  const all: Interval[] = [];
  const begin = (variable: Var, start: number, weight: number): void => {
    const interval = { variable, start, end: start, weight, loop: undefined };
    intervals[variable.id] = interval;
    all.push(interval);
  };
  const { args, begin: first, end, scratch } = program.inputs;
  for (const variable of [args, first, end, scratch]) begin(variable, 0, 1);
  let position = 1;
  const loops: Loop[] = [];
  const touch = (variable: Var): void => {
    const weight = 8 ** Math.min(loops.length, 5);
    const interval = intervals[variable.id];
    if (interval === undefined) return begin(variable, position, weight);
    if (position > interval.end) interval.end = position;
    interval.weight += weight;
    outlives(interval);
  };
  /** A variable from outside lives to the end of the outermost loop that it was not made in. */
  const outlives = (interval: Interval): void => {
    // The loops begin one after the other: most variables are of the innermost.
    if (loops.length === 0 || interval.start >= loops.at(-1)!.start) return;
    const outermost = loops.find((loop) => interval.start < loop.start)!;
    if (interval.loop === outermost) return;
    interval.loop = outermost;
    outermost.outer.push(interval);
  };
  const walk = (body: readonly Instruction[]): void => {
    for (const x of body) {
      operands(x, touch);
      position++;
      if (x.op === "for") {
        const loop: Loop = { start: position, outer: [] };
        loops.push(loop);
        outlives(intervals[x.i.id]!);
        if (typeof x.to === "object") outlives(intervals[x.to.id]!);
        walk(x.body);
        loops.pop();
        for (const interval of loop.outer) interval.end = Math.max(interval.end, position);
        position++;
      } else if (x.op === "if") {
        walk(x.whenTrue);
        walk(x.whenFalse);
      }
    }
  };
  walk(program.body);
  return all;
}

function scan(
  intervals: readonly Interval[],
  registers: readonly number[],
  of: (Location | undefined)[],
  spills: boolean,
  name: string,
): number {
  const free = [...registers];
  let active: Interval[] = [];
  let slots = 0;
  const registerOf = (i: Interval): number => {
    const location = of[i.variable.id];
    assert(location?.kind === "register", () => `${name}: an active interval has no register`);
    return location.register;
  };
  /** The least end of those that are active, or less. */
  let nextEnd = Number.POSITIVE_INFINITY;
  for (const interval of intervals) {
    // An integer's register is not reused by the instruction that reads it last: some expand into several.
    if (nextEnd < interval.start) {
      for (const a of active) if (a.end < interval.start) free.push(registerOf(a));
      active = active.filter((a) => a.end >= interval.start);
      nextEnd = active.reduce((least, { end }) => Math.min(least, end), Number.POSITIVE_INFINITY);
    }
    nextEnd = Math.min(nextEnd, interval.end);
    const register = free.shift();
    if (register !== undefined) {
      of[interval.variable.id] = { kind: "register", register };
      active.push(interval);
      continue;
    }
    assert(spills, () => `${name} needs more than ${registers.length} vector registers`);
    const least = active.reduce((best, a) => (a.weight < best.weight ? a : best), interval);
    if (least !== interval) {
      of[interval.variable.id] = { kind: "register", register: registerOf(least) };
      active = [...active.filter((a) => a !== least), interval];
    }
    of[least.variable.id] = { kind: "slot", slot: slots++ };
  }
  return slots;
}
