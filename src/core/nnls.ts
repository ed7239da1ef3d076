/**
 * Least squares with coefficients that are not negative (Lawson and Hanson, 1974): columns come in one by one, where the misfit
 * falls most, and those that would turn negative leave again.
 */

/** Of `rows · x = right`, one coefficient for each column. */
export function leastSquaresNonNegative(rows: readonly (readonly number[])[], right: readonly number[]): number[] {
  const columns = rows[0]?.length ?? 0;
  const gram = Array.from({ length: columns }, (_, i) =>
    Array.from({ length: columns }, (_, j) => rows.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
  );
  const pull = Array.from({ length: columns }, (_, i) => rows.reduce((sum, row, r) => sum + row[i]! * right[r]!, 0));
  const slack = 1e-12 * Math.max(...pull.map(Math.abs), 0);
  let x = new Array<number>(columns).fill(0);
  const used = new Set<number>();
  for (let tries = 0; tries < 3 * columns; tries++) {
    const gain = pull.map((p, i) => p - gram[i]!.reduce((sum, g, j) => sum + g * x[j]!, 0));
    const best = gain.reduce((most, g, i) => (!used.has(i) && g > slack && g > (gain[most] ?? 0) ? i : most), -1);
    if (best === -1) break;
    used.add(best);
    for (;;) {
      const free = [...used];
      const solved = solve(gram, pull, free);
      if (solved.every((value) => value > 0)) {
        x = x.map((_, i) => solved[free.indexOf(i)] ?? 0);
        break;
      }
      // As far towards the solution as all stay above zero; whoever reaches it leaves.
      const step = free.reduce(
        (least, i, k) => (solved[k]! > 0 ? least : Math.min(least, x[i]! / (x[i]! - solved[k]!))),
        1,
      );
      for (const [k, i] of free.entries()) x[i]! += step * (solved[k]! - x[i]!);
      for (const [k, i] of free.entries()) {
        if (solved[k]! > 0 || x[i]! > 1e-14) continue;
        x[i] = 0;
        used.delete(i);
      }
      if (used.size === 0) break;
    }
  }
  return x;
}

/** Gauss's elimination over the free columns; a column that the others make up gets 0. */
function solve(gram: readonly (readonly number[])[], pull: readonly number[], free: readonly number[]): number[] {
  const n = free.length;
  const m = free.map((i) => [...free.map((j) => gram[i]![j]!), pull[i]!]);
  for (let k = 0; k < n; k++) {
    for (let i = k + 1; i < n; i++) {
      const factor = m[k]![k] === 0 ? 0 : m[i]![k]! / m[k]![k]!;
      for (let j = k; j <= n; j++) m[i]![j]! -= factor * m[k]![j]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    let rest = m[i]![n]!;
    for (let j = i + 1; j < n; j++) rest -= m[i]![j]! * x[j]!;
    x[i] = Math.abs(m[i]![i]!) <= 1e-13 * gram[free[i]!]![free[i]!]! ? 0 : rest / m[i]![i]!;
  }
  return x;
}
