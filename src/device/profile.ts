/** Timed runs of one step, as a table by kernel: calls of equal kernels together, medians over the runs. */
import type { Program } from "../compile/schedule.ts";
import type { Arithmetic, Work } from "../compile/work.ts";
import { assert } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
import type { Span } from "./device.ts";
import type { Limits } from "./limits.ts";

export interface KernelProfile {
  readonly kernel: string;
  readonly calls: number;
  /** Of one step: the kernels' seconds add up to the step's. */
  readonly seconds: number;
  /** Of the step. */
  readonly share: number;
  /** Part of all threads' time that they wait for each other before and behind these calls: 0 where there is only one. */
  readonly waiting: number;
  readonly bytes: number;
  readonly operations: number;
  readonly arithmetic: Arithmetic;
}

/** `runs` are the spans of equal steps, `work` what each call of the program must do. The slowest kernel comes first. */
export function profileOf(
  program: Program,
  runs: readonly (readonly Span[])[],
  work: readonly Work[],
): readonly KernelProfile[] {
  assert(runs.length > 0, () => "a profile of no runs");
  const taken = runs.map((spans) => callsOf(program.calls.length, spans));
  const calls = program.calls.map((_, i) => {
    const middle = (of: (call: CallTime) => number): number => median(taken.map((run) => of(run[i]!)))!;
    return { seconds: middle((c) => c.seconds), all: middle((c) => c.all), waited: middle((c) => c.waited) };
  });
  const names = program.kernels.map((k) => k.name);
  const step = sum(calls.map((c) => c.seconds));
  const rows = program.kernels.map(({ name }, kernel) => {
    const own = [...program.calls.keys()].filter((i) => program.calls[i]!.kernel === kernel);
    const seconds = sum(own.map((i) => calls[i]!.seconds));
    return {
      // Kernels of one name differ in what their name does not say.
      kernel: names.indexOf(name) === kernel ? name : `${name} #${kernel}`,
      calls: own.length,
      seconds,
      share: seconds / step,
      waiting: sum(own.map((i) => calls[i]!.waited)) / (sum(own.map((i) => calls[i]!.all)) || 1),
      bytes: sum(own.map((i) => work[i]!.bytes)),
      operations: sum(own.map((i) => work[i]!.operations)),
      arithmetic: work[own[0]!]!.arithmetic,
    };
  });
  return rows.sort((a, b) => b.seconds - a.seconds);
}

interface CallTime {
  readonly seconds: number;
  /** Of all threads together, from leaving the call before to leaving this one, and the part of it that they wait. */
  readonly all: number;
  readonly waited: number;
}

/**
 * Calls may overlap, on threads that take different ones at a time: each is charged with its part of all threads' time, what
 * they wait for it included, so that the charges add up to the step.
 */
function callsOf(count: number, spans: readonly Span[]): readonly CallTime[] {
  const calls = Array.from({ length: count }, () => ({ all: 0, waited: 0 }));
  const left = new Map<number, number>();
  for (const { record, thread, begin, worked, end } of spans.toSorted((a, b) => a.begin - b.begin)) {
    const call = calls[record]!;
    // Since it left the last one, a thread has waited until it could begin.
    const before = left.get(thread) ?? 0;
    call.all += end - before;
    call.waited += end - worked + begin - before;
    left.set(thread, end);
  }
  // What a thread alone takes between two calls is the launch loop's own time.
  return calls.map(({ all, waited }) => ({ all, waited: left.size === 1 ? 0 : waited, seconds: all / left.size }));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((n, x) => n + x, 0);

/** Which limit a kernel runs into: it has one, or neither from `nearLimit` on. */
export type Bound = "memory" | "arithmetic" | "neither";

const nearLimit = 0.6;

/** Shares of the limits that a kernel reaches. */
export function against(
  { bytes, operations, seconds, arithmetic }: KernelProfile,
  { bytesPerSecond, operationsPerSecond }: Limits,
): { readonly memory: number; readonly arithmetic: number; readonly bound: Bound } {
  const memory = bytes / seconds / bytesPerSecond;
  const ofPeak = operations / seconds / operationsPerSecond[arithmetic];
  const bound = Math.max(memory, ofPeak) < nearLimit ? "neither" : memory >= ofPeak ? "memory" : "arithmetic";
  return { memory, arithmetic: ofPeak, bound };
}
