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
  /** Part of all threads' time that they wait for each other behind these calls. */
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
      waiting: sum(own.map((i) => calls[i]!.waited)) / sum(own.map((i) => calls[i]!.all)),
      bytes: sum(own.map((i) => work[i]!.bytes)),
      operations: sum(own.map((i) => work[i]!.operations)),
      arithmetic: work[own[0]!]!.arithmetic,
    };
  });
  return rows.sort((a, b) => b.seconds - a.seconds);
}

interface CallTime {
  readonly seconds: number;
  /** Of all threads together, from coming to the call to leaving it, and waiting behind it. */
  readonly all: number;
  readonly waited: number;
}

/** A call is charged with the time by which it puts off the end of all work so far: calls may overlap, their charges do not. */
function callsOf(count: number, spans: readonly Span[]): readonly CallTime[] {
  const calls = Array.from({ length: count }, () => ({ done: 0, all: 0, waited: 0 }));
  for (const { record, begin, worked, end } of spans) {
    const call = calls[record]!;
    call.done = Math.max(call.done, worked);
    call.all += end - begin;
    call.waited += end - worked;
  }
  let before = 0;
  return calls.map(({ done, all, waited }) => {
    const seconds = Math.max(0, done - before);
    before = Math.max(before, done);
    return { seconds, all, waited };
  });
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
