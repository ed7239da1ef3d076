/** Takes measurements in turn, so that what slows the machine for a while slows all sides alike. */
import { median, quantile } from "../core/statistics.ts";
import { watch } from "./machine.ts";
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

export async function interleave<S extends string>(repeat: number, sides: Sides<S>): Promise<Interleaved<S>> {
  const names = Object.keys(sides) as S[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<S, number[]>;
  const disturbed = watch();
  for (let i = 0; i < repeat; i++) {
    // Whoever comes first after a pause has a cooler machine: the order alternates.
    for (const name of i % 2 === 0 ? names : names.toReversed()) {
      await settle();
      const value = await sides[name]();
      if (value !== undefined) samples[name].push(value);
    }
  }
  const medians = Object.fromEntries(names.map((name) => [name, median(samples[name])]));
  return {
    medians: medians as Record<S, number | undefined>,
    quotient: (a, b) => median(samples[a].flatMap((x, i) => (samples[b][i] === undefined ? [] : [x / samples[b][i]]))),
    terms: {
      repetitions: repeat,
      spread: Object.fromEntries(names.map((n) => [n, spread(samples[n])])),
      ...disturbed(),
    },
  };
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
