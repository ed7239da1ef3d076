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
  loop?: Loop;
}

interface Loop {
  readonly start: number;
  /** Variables from outside that are used in it. */
  readonly outer: Interval[];
}

export interface Allocation {
  readonly of: ReadonlyMap<number, Location>;
  readonly slots: number;
}

export function allocate(program: TileProgram, ints: readonly number[], vectors: readonly number[]): Allocation {
  const intervals = [...liveness(program).values()].sort((a, b) => a.start - b.start || a.variable.id - b.variable.id);
  const of = new Map<number, Location>();
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
  for (const { variable, start, end } of liveness(program).values()) {
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

function liveness(program: TileProgram): Map<number, Interval> {
  const intervals = new Map<number, Interval>();
  const { args, begin, end, scratch } = program.inputs;
  for (const variable of [args, begin, end, scratch])
    intervals.set(variable.id, { variable, start: 0, end: 0, weight: 1 });
  let position = 1;
  const loops: Loop[] = [];
  const touch = (variable: Var): void => {
    const weight = 8 ** Math.min(loops.length, 5);
    let interval = intervals.get(variable.id);
    if (interval === undefined) {
      interval = { variable, start: position, end: position, weight };
      intervals.set(variable.id, interval);
      return;
    }
    if (position > interval.end) interval.end = position;
    interval.weight += weight;
    outlives(interval);
  };
  /** A variable from outside lives to the end of the outermost loop that it was not made in. */
  const outlives = (interval: Interval): void => {
    const outermost = loops.find((loop) => interval.start < loop.start);
    if (outermost === undefined || interval.loop === outermost) return;
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
        outlives(intervals.get(x.i.id)!);
        if (typeof x.to === "object") outlives(intervals.get(x.to.id)!);
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
  return intervals;
}

function scan(
  intervals: readonly Interval[],
  registers: readonly number[],
  of: Map<number, Location>,
  spills: boolean,
  name: string,
): number {
  const free = [...registers];
  let active: Interval[] = [];
  let slots = 0;
  const registerOf = (i: Interval): number => {
    const location = of.get(i.variable.id)!;
    assert(location.kind === "register", () => `${name}: an active interval has no register`);
    return location.register;
  };
  for (const interval of intervals) {
    // An integer's register is not reused by the instruction that reads it last: some expand into several.
    for (const a of active) if (a.end < interval.start) free.push(registerOf(a));
    active = active.filter((a) => a.end >= interval.start);
    const register = free.shift();
    if (register !== undefined) {
      of.set(interval.variable.id, { kind: "register", register });
      active.push(interval);
      continue;
    }
    assert(spills, () => `${name} needs more than ${registers.length} vector registers`);
    const least = active.reduce((best, a) => (a.weight < best.weight ? a : best), interval);
    if (least !== interval) {
      of.set(interval.variable.id, { kind: "register", register: registerOf(least) });
      active = [...active.filter((a) => a !== least), interval];
    }
    of.set(least.variable.id, { kind: "slot", slot: slots++ });
  }
  return slots;
}
