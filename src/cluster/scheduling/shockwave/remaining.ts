/** How long a job still takes alone, when nobody knows how long each of its batch sizes will last (Shockwave, NSDI 2023, §4.2). */
import type { Seconds } from "../../../time/clock.ts";
import type { Regimes } from "../../job.ts";

/**
 * The share of epochs of each batch size is Dirichlet, with a prior of equal shares that weighs as much as all epochs; every epoch
 * that began is an observation. What is left of the posterior's epochs takes the mean time of its batch size.
 */
export function remainingSeconds({ done, batches, seconds }: Regimes): Seconds {
  const epochs = batches.length;
  const left = epochs - done;
  if (left <= 0) return 1;
  const means = meanSeconds(batches, seconds);
  const observed = batches.slice(0, done + 1);
  const counts = new Map([...means.keys()].map((batch) => [batch, epochs / means.size]));
  for (const batch of observed) counts.set(batch, counts.get(batch)! + 1);
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  const expected = new Map([...counts].map(([batch, count]) => [batch, (epochs * count) / total]));
  for (const batch of observed) {
    const more = expected.get(batch)!;
    if (more >= 1) expected.set(batch, more - 1);
  }
  // The posterior rarely leaves just as many epochs as there are.
  const inflated = Math.max(left, Math.trunc([...expected.values()].reduce((a, b) => a + b, 0) + 1));
  let sum = 0;
  for (const [batch, count] of expected) sum += count * means.get(batch)!;
  return (sum * left) / inflated;
}

function meanSeconds(batches: readonly number[], seconds: readonly Seconds[]): ReadonlyMap<number, Seconds> {
  const sums = new Map<number, { sum: number; count: number }>();
  for (const [epoch, batch] of batches.entries()) {
    const of = sums.get(batch) ?? { sum: 0, count: 0 };
    of.sum += seconds[epoch]!;
    of.count++;
    sums.set(batch, of);
  }
  return new Map([...sums].map(([batch, { sum, count }]) => [batch, sum / count]));
}

/** Seconds of an epoch as it was until now: the mean over those that began. */
export function epochSeconds({ done, seconds }: Regimes): Seconds {
  const begun = seconds.slice(0, done + 1);
  return begun.reduce((a, b) => a + b, 0) / begun.length;
}
