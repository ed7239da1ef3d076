/**
 * What a pass costs, as a sum of what drives it: the weights that are read once, tokens multiplied through them, rows of
 * logits, keys and values attended to, and sequences handled. Coefficients are fitted to recorded passes by non-negative
 * least squares, each pass weighed by its inverse duration: short passes count, and the sum of all durations is kept,
 * which weights of the inverse square would bias low by their noise.
 */

import type { Pass } from "../serve/executor.ts";
import type { LogLine } from "../serve/log.ts";
import type { Seconds } from "../time/clock.ts";

/** One feature a coefficient; see `features`. */
export type PassCost = readonly number[];

/** [1, tokens, output rows, token × context pairs, sequences]. */
export function features(pass: Pass): number[] {
  let [tokens, rows, pairs] = [0, 0, 0];
  for (const s of pass.sequences) {
    const all = s.tokens + s.drafts;
    tokens += all;
    if (s.sample.length > 0) rows += 1 + s.drafts;
    pairs += all * (s.start + (all + 1) / 2);
  }
  return [1, tokens, rows, pairs, pass.sequences.length];
}

export const secondsOf = (cost: PassCost, pass: Pass): Seconds =>
  features(pass).reduce((n, x, i) => n + x * cost[i]!, 0);

/**
 * Gemma 3 270M on two cores of the machine that the README's figures are from, fitted to a recorded log: what simulation
 * prices with when it is given no log of its own.
 */
export const gemmaOnTwoCores: PassCost = [8.2e-3, 2.7e-4, 8.8e-4, 1e-7, 0];

/** Features and seconds of each pass; one that follows at once begins where the last ended, so what lies between is in it. */
function passTimes(log: readonly LogLine[]): { readonly x: number[]; readonly seconds: Seconds }[] {
  const times: { readonly x: number[]; readonly seconds: Seconds }[] = [];
  let started: Extract<LogLine, { kind: "pass" }> | undefined;
  for (const line of log) {
    if (line.kind === "pass") started = line;
    else if (line.kind === "done" && started !== undefined)
      times.push({ x: features(started.pass), seconds: line.at - started.at });
  }
  return times;
}

export function fit(log: readonly LogLine[]): PassCost {
  const times = passTimes(log);
  return nonNegativeLeastSquares(
    times.map(({ x, seconds }) => x.map((v) => v / Math.sqrt(seconds))),
    times.map(({ seconds }) => Math.sqrt(seconds)),
  );
}

/** Coordinate descent on the normal equations; the problem is convex and small. */
export function nonNegativeLeastSquares(rows: readonly (readonly number[])[], targets: readonly number[]): number[] {
  const n = rows[0]?.length ?? 0;
  const gram = Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => rows.reduce((s, r) => s + r[i]! * r[j]!, 0)),
  );
  const moment = Array.from({ length: n }, (_, i) => rows.reduce((s, r, k) => s + r[i]! * targets[k]!, 0));
  const x = new Array<number>(n).fill(0);
  for (let round = 0; round < 20_000; round++) {
    let moved = 0;
    for (let i = 0; i < n; i++) {
      if (gram[i]![i] === 0) continue;
      const residual = moment[i]! - gram[i]!.reduce((s, g, j) => s + g * x[j]!, 0);
      const next = Math.max(0, x[i]! + residual / gram[i]![i]!);
      moved = Math.max(moved, Math.abs(next - x[i]!) / (Math.abs(next) + 1e-30));
      x[i] = next;
    }
    if (moved < 1e-10) break;
  }
  return x;
}
