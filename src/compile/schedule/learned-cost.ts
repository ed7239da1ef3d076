/** A cost model of tiles, learned from what was measured: it orders tiles, and knows no seconds. */
import type { Trial } from "../tuner.ts";
import { fit, type Sample } from "./boosted-trees.ts";
import type { LinearTile } from "./linear.ts";
import type { Space } from "./space.ts";

/** Higher is faster. */
export type TileScore = (tile: LinearTile) => number;

export interface LearnedFrom {
  readonly space: Space;
  readonly trials: readonly Trial[];
}

/** Trees that order the tiles of each task; what holds for one task is taken to hold for the others. */
export function learnOrder(from: readonly LearnedFrom[]): (space: Space) => TileScore {
  const samples = from.flatMap(({ space, trials }, group) =>
    trials.map(({ tile, relative }): Sample => ({ features: space.features(tile), target: -relative, group })),
  );
  const model = fit(samples, { objective: "rank", trees: 30, depth: 4, rate: 0.3 });
  return (space) => (tile) => model(space.features(tile));
}

/** The highest scores first, of tiles that pass. */
export function bestBy(score: TileScore, tiles: Iterable<LinearTile>): LinearTile[] {
  return [...tiles]
    .map((tile) => ({ tile, score: score(tile) }))
    .sort((a, b) => b.score - a.score)
    .map(({ tile }) => tile);
}
