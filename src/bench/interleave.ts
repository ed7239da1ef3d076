/** Takes measurements in turn, so that what slows the machine for a while slows all sides alike. */
import { median, quantile } from "../core/statistics.ts";
import { type Disturbance, disturbedBy, watch } from "./machine.ts";
import type { Terms } from "./terms.ts";

/** A value by side; `undefined` where a side cannot run. */
export type Sides<S extends string> = Readonly<Record<S, () => Promise<number | undefined> | number | undefined>>;

export interface Interleaved<S extends string> {
  readonly medians: Readonly<Record<S, number | undefined>>;
  /** One side over another in the same repetition: the median. */
  quotient(a: S, b: S): number | undefined;
  /** For the terms: repetitions, how far apart they lie, and what else the machine did. */
  readonly terms: Terms;
}

/** Threads of the side before may still spin for a while after their last work. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

/** A repetition during which other programs or machines had too much of this one is taken again, `againMost` times in all. */
export async function interleave<S extends string>(
  repeat: number,
  sides: Sides<S>,
  againMost = 0,
): Promise<Interleaved<S>> {
  const names = Object.keys(sides) as S[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<S, number[]>;
  const kept: Disturbance[] = [];
  let again = 0;
  for (let i = 0; i < repeat + again; i++) {
    const watched = watch();
    const values: Partial<Record<S, number | undefined>> = {};
    // Whoever comes first after a pause has a cooler machine: the order alternates.
    for (const name of i % 2 === 0 ? names : names.toReversed()) {
      await settle();
      values[name] = await sides[name]();
    }
    const disturbance = watched();
    if (disturbance?.disturbed && again < againMost) {
      again++;
      continue;
    }
    if (disturbance !== undefined) kept.push(disturbance);
    for (const name of names) if (values[name] !== undefined) samples[name].push(values[name]);
  }
  const medians = Object.fromEntries(names.map((name) => [name, median(samples[name])]));
  return {
    medians: medians as Record<S, number | undefined>,
    quotient: (a, b) => median(samples[a].flatMap((x, i) => (samples[b][i] === undefined ? [] : [x / samples[b][i]]))),
    terms: {
      repetitions: repeat,
      ...(againMost > 0 && { takenAgain: again }),
      spread: Object.fromEntries(names.map((n) => [n, spread(samples[n])])),
      ...(kept.length > 0 && meanOf(kept)),
    },
  };
}

function meanOf(kept: readonly Disturbance[]): Disturbance {
  const mean = (of: (d: Disturbance) => number): number => kept.reduce((sum, d) => sum + of(d), 0) / kept.length;
  return disturbedBy(
    mean((d) => d.stolen),
    mean((d) => d.others),
  );
}

/** The middle half of the samples over their median. */
function spread(samples: readonly number[]): number | undefined {
  const middle = median(samples);
  if (middle === undefined || middle === 0) return undefined;
  return Number(((quantile(samples, 0.75)! - quantile(samples, 0.25)!) / middle).toFixed(3));
}

/** Mean seconds of one call of `run`, called until `secondsMin` have passed. */
export async function secondsOf(run: () => Promise<void>, secondsMin = 0.1): Promise<number> {
  const began = performance.now();
  for (let n = 1; ; n++) {
    await run();
    const seconds = (performance.now() - began) / 1000;
    if (seconds >= secondsMin) return seconds / n;
  }
}

export interface Together {
  /** Until so much has passed of each side. */
  readonly secondsMin?: number;
  /** Or a number of calls of each. */
  readonly turns?: number;
  /** What the calls' seconds become: by default their median. */
  of?(seconds: readonly number[]): number | undefined;
}

/**
 * Sides that are measured together: seconds of a call of each, called in turn, call by call. For what lies within a few hundredths of each other on a machine whose memory others share: it gives
 * another rate each tenth of a second, and both sides then see the same ones.
 */
export function together<S extends string>(
  runs: Readonly<Record<S, () => Promise<void>>>,
  { turns, secondsMin = 0.2, of = median }: Together = {},
): Readonly<Record<S, () => Promise<number>>> {
  const names = Object.keys(runs) as S[];
  const found = new Map<S, number>();
  const measure = async (): Promise<void> => {
    const seconds = new Map(names.map((name) => [name, [] as number[]]));
    const enough = (taken: readonly number[]): boolean =>
      turns === undefined ? taken.reduce((sum, s) => sum + s, 0) >= secondsMin : taken.length >= turns;
    for (let turn = 0; ![...seconds.values()].every(enough); turn++) {
      for (const name of turn % 2 === 0 ? names : names.toReversed()) {
        const began = performance.now();
        await runs[name]();
        seconds.get(name)!.push((performance.now() - began) / 1000);
      }
    }
    for (const [name, taken] of seconds) found.set(name, of(taken)!);
  };
  const side = (name: S) => async (): Promise<number> => {
    if (!found.has(name)) await measure();
    const value = found.get(name)!;
    found.delete(name);
    return value;
  };
  return Object.fromEntries(names.map((name) => [name, side(name)])) as Record<S, () => Promise<number>>;
}
