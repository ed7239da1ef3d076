/** Graphs for tests of launch policies: calls by what they follow. */
import type { LaunchView } from "../compile/launch.ts";
import type { Random } from "../core/random.ts";

/** Calls of `parts` parts and a microsecond each, unless told otherwise. */
export function launchView(
  after: readonly (readonly number[])[],
  threads: number,
  parts = 1,
  seconds = 1e-6,
): LaunchView {
  return { threads, calls: after.map((earlier) => ({ parts, seconds, after: earlier })) };
}

/** Each of `count` calls follows each of the few before it with the probability `density`. */
export function randomEdges(random: Random, count: number, density: number): readonly number[][] {
  return Array.from({ length: count }, (_, i) =>
    Array.from({ length: i }, (_, j) => j).filter((j) => i - j < 8 && random() < density),
  );
}
