/**
 * Gradient-boosted regression trees (Friedman 2001): each small tree takes a Newton step down the gradient of an objective.
 *
 * Two objectives: squares, and order (Burges's pairwise logistic loss, RankNet), which asks only that what is better scores
 * higher; that is all that a search needs. Features are cut at quantiles, so a tree costs rows × features × depth.
 */
export interface Sample {
  readonly features: readonly number[];
  readonly target: number;
  /** With the rank objective only samples of one group are compared. */
  readonly group?: number;
}

export interface Boosting {
  readonly objective: "rank" | "squares";
  readonly trees: number;
  readonly depth: number;
  /** The share of each step that is taken. */
  readonly rate: number;
}

export type Model = (features: readonly number[]) => number;

interface Split {
  readonly feature: number;
  readonly at: number;
  readonly low: Node;
  readonly high: Node;
}
type Node = Split | number;

const bins = 16;
/** Added to second derivatives, so that few samples move a leaf little. */
const lambda = 1;
/** With the rank objective each sample is compared with at most so many others. */
const comparisons = 32;

/** A model whose values grow with the targets. */
export function fit(samples: readonly Sample[], { objective, trees, depth, rate }: Boosting): Model {
  const mean = samples.reduce((n, s) => n + s.target, 0) / Math.max(1, samples.length);
  const start = objective === "squares" ? mean : 0;
  const scores = samples.map(() => start);
  const cuts = cutsOf(samples);
  const codes = samples.map(({ features }) => features.map((x, f) => binOf(cuts[f]!, x)));
  const all = samples.map((_, i) => i);
  const pairs = objective === "rank" ? pairsOf(samples) : [];
  const forest: Node[] = [];
  for (let n = 0; n < trees; n++) {
    const slopes = objective === "rank" ? rankSlopes(scores, pairs) : squareSlopes(scores, samples);
    const tree = grow({ codes, cuts, ...slopes }, all, depth);
    forest.push(tree);
    for (const [i, { features }] of samples.entries()) scores[i]! += rate * evaluate(tree, features);
  }
  return (features) => forest.reduce<number>((sum, tree) => sum + rate * evaluate(tree, features), start);
}

function evaluate(node: Node, features: readonly number[]): number {
  let current = node;
  while (typeof current !== "number") current = features[current.feature]! <= current.at ? current.low : current.high;
  return current;
}

/** For each feature the values at which it may be cut. */
function cutsOf(samples: readonly Sample[]): readonly (readonly number[])[] {
  const width = samples[0]?.features.length ?? 0;
  return Array.from({ length: width }, (_, f) => {
    const values = [...new Set(samples.map((s) => s.features[f]!))].sort((a, b) => a - b);
    const count = Math.min(bins, values.length) - 1;
    const at = Array.from({ length: count }, (_, i) => {
      const place = Math.floor(((i + 1) * values.length) / (count + 1)) - 1;
      return (values[place]! + values[place + 1]!) / 2;
    });
    return at;
  });
}

function binOf(cuts: readonly number[], x: number): number {
  let bin = 0;
  while (bin < cuts.length && x > cuts[bin]!) bin++;
  return bin;
}

interface Slopes {
  readonly gradient: Float64Array;
  readonly curvature: Float64Array;
}

function squareSlopes(scores: readonly number[], samples: readonly Sample[]): Slopes {
  const gradient = Float64Array.from(samples, (s, i) => s.target - scores[i]!);
  return { gradient, curvature: new Float64Array(samples.length).fill(1) };
}

/** The better first. */
function pairsOf(samples: readonly Sample[]): readonly (readonly [number, number])[] {
  const groups = new Map<number, number[]>();
  for (const [i, { group = 0 }] of samples.entries()) groups.set(group, [...(groups.get(group) ?? []), i]);
  const pairs: (readonly [number, number])[] = [];
  for (const members of groups.values()) {
    const step = Math.max(1, Math.floor(members.length / comparisons));
    for (let i = 0; i < members.length; i++) {
      for (let distance = 1; distance < members.length; distance += step) {
        const [a, b] = [members[i]!, members[(i + distance) % members.length]!];
        if (samples[a]!.target > samples[b]!.target) pairs.push([a, b]);
        else if (samples[a]!.target < samples[b]!.target) pairs.push([b, a]);
      }
    }
  }
  return pairs;
}

function rankSlopes(scores: readonly number[], pairs: readonly (readonly [number, number])[]): Slopes {
  const gradient = new Float64Array(scores.length);
  const curvature = new Float64Array(scores.length);
  for (const [better, worse] of pairs) {
    const doubt = 1 / (1 + Math.exp(scores[better]! - scores[worse]!));
    const bend = doubt * (1 - doubt);
    gradient[better]! += doubt;
    gradient[worse]! -= doubt;
    curvature[better]! += bend;
    curvature[worse]! += bend;
  }
  return { gradient, curvature };
}

interface Growing extends Slopes {
  readonly codes: readonly (readonly number[])[];
  readonly cuts: readonly (readonly number[])[];
}

function grow(g: Growing, members: readonly number[], depth: number): Node {
  let [gradient, curvature] = [0, 0];
  for (const i of members) {
    gradient += g.gradient[i]!;
    curvature += g.curvature[i]!;
  }
  const leaf = gradient / (curvature + lambda);
  if (depth === 0 || members.length < 4) return leaf;
  const best = bestSplit(g, members, gradient, curvature);
  if (best === undefined) return leaf;
  const isLow = (i: number): boolean => g.codes[i]![best.feature]! <= best.bin;
  return {
    feature: best.feature,
    at: g.cuts[best.feature]![best.bin]!,
    low: grow(g, members.filter(isLow), depth - 1),
    high: grow(
      g,
      members.filter((i) => !isLow(i)),
      depth - 1,
    ),
  };
}

function bestSplit(
  g: Growing,
  members: readonly number[],
  gradient: number,
  curvature: number,
): { readonly feature: number; readonly bin: number } | undefined {
  const worth = (slope: number, bend: number): number => (slope * slope) / (bend + lambda);
  let best: { feature: number; bin: number } | undefined;
  let most = worth(gradient, curvature) + 1e-9;
  const [slopes, bends] = [new Float64Array(bins), new Float64Array(bins)];
  for (const [feature, cuts] of g.cuts.entries()) {
    if (cuts.length === 0) continue;
    slopes.fill(0);
    bends.fill(0);
    for (const i of members) {
      const bin = g.codes[i]![feature]!;
      slopes[bin]! += g.gradient[i]!;
      bends[bin]! += g.curvature[i]!;
    }
    let [slope, bend] = [0, 0];
    for (let bin = 0; bin < cuts.length; bin++) {
      slope += slopes[bin]!;
      bend += bends[bin]!;
      const gain = worth(slope, bend) + worth(gradient - slope, curvature - bend);
      if (gain > most) [most, best] = [gain, { feature, bin }];
    }
  }
  return best;
}
