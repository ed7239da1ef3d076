import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, stream } from "../core/random.ts";
import { maximumWeightMatching } from "./matching.ts";

/** Weight of the best matching, by trying all: a vertex is left alone or joined to each of the rest. */
function bestByTrying(weights: readonly number[], n: number): number {
  const best = new Float64Array(1 << n);
  for (let set = 1; set < 1 << n; set++) {
    const v = 31 - Math.clz32(set);
    const rest = set & ~(1 << v);
    let most = best[rest] as number;
    for (let u = 0; u < v; u++) {
      const w = weights[v * n + u] as number;
      if (w > 0 && rest & (1 << u)) most = Math.max(most, w + (best[rest & ~(1 << u)] as number));
    }
    best[set] = most;
  }
  return best[(1 << n) - 1] as number;
}

function graph(n: number, random: Random, density: number, values: number): number[] {
  const weights = new Array<number>(n * n).fill(0);
  for (let u = 0; u < n; u++) {
    for (let v = 0; v < u; v++) {
      if (random() >= density) continue;
      const w = values === 0 ? random() : 1 + Math.floor(random() * values);
      weights[u * n + v] = w;
      weights[v * n + u] = w;
    }
  }
  return weights;
}

/** Weight of the matching, which must be one. */
function weightOf(mate: Int32Array, weights: readonly number[], n: number): number {
  let sum = 0;
  for (let v = 0; v < n; v++) {
    const u = mate[v] as number;
    if (u === -1) continue;
    assert.equal(mate[u], v);
    assert.ok((weights[u * n + v] as number) > 0, `edge ${u}–${v} is not there`);
    sum += (weights[u * n + v] as number) / 2;
  }
  return sum;
}

test("a matching weighs as much as the best of all", () => {
  // Few different values make ties, and ties make blossoms; sparse graphs leave vertices alone.
  for (let seed = 0; seed < 3000; seed++) {
    const random = stream(seed);
    const n = 1 + Math.floor(random() * 11);
    const weights = graph(n, random, 0.2 + 0.8 * random(), [0, 2, 5, 40][seed % 4] as number);
    const weight = weightOf(maximumWeightMatching(weights, n), weights, n);
    const best = bestByTrying(weights, n);
    assert.ok(Math.abs(weight - best) < 1e-6 * Math.max(1, best), `seed ${seed}: ${weight}, best ${best}`);
  }
});

test("larger graphs too, where blossoms lie in blossoms", () => {
  for (let seed = 0; seed < 25; seed++) {
    const random = stream(7, seed);
    const n = 18;
    const weights = graph(n, random, 0.15 + 0.5 * random(), [0, 3, 9][seed % 3] as number);
    const weight = weightOf(maximumWeightMatching(weights, n), weights, n);
    const best = bestByTrying(weights, n);
    assert.ok(Math.abs(weight - best) < 1e-6 * Math.max(1, best), `seed ${seed}: ${weight}, best ${best}`);
  }
});

test("greedy is not enough: the heaviest edge is left out where two others weigh more", () => {
  const weights = [0, 6, 0, 0, 6, 0, 7, 0, 0, 7, 0, 6, 0, 0, 6, 0];
  assert.deepEqual([...maximumWeightMatching(weights, 4)], [1, 0, 3, 2]);
});

test("an odd cycle leaves one vertex for an edge to the outside", () => {
  // A triangle 0-1-2 of weight 10, and 2-3 of weight 9: the triangle's best edge beside it is 0-1.
  const n = 4;
  const weights = new Array<number>(n * n).fill(0);
  const set = (u: number, v: number, w: number) => {
    weights[u * n + v] = w;
    weights[v * n + u] = w;
  };
  set(0, 1, 10);
  set(1, 2, 10);
  set(0, 2, 10);
  set(2, 3, 9);
  assert.deepEqual([...maximumWeightMatching(weights, n)], [1, 0, 3, 2]);
});

test("of matchings that weigh the same, the one that Muri's published program finds", () => {
  // What that program gave for the same graphs: jobs of a few kinds, so that nearly everything is a tie.
  const published: readonly (readonly [kinds: number, mates: readonly number[]])[] = [
    [1, [1, 0, 3, 2, -1]],
    [3, [2, 4, 0, 5, 1, 3, 8, -1, 6]],
    [5, [6, 12, 10, 9, 5, 4, 0, 13, 11, 3, 2, 8, 1, 7]],
    [4, [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 18, 19, 16, 17, 22, 23, 20, 21]],
  ];
  for (const [kinds, mates] of published) {
    const n = mates.length;
    const kind = (u: number) => (u * u * 3 + u) % kinds;
    const weights = Float64Array.from({ length: n * n }, (_, i) => {
      const [a, b] = [kind(Math.floor(i / n)), kind(i % n)];
      return i % (n + 1) === 0 ? 0 : (((Math.min(a, b) * 5 + Math.max(a, b) * 3) % 7) + 1) / 8;
    });
    assert.deepEqual([...maximumWeightMatching(weights, n)], mates);
  }
});

test("weights so far apart that rounding swallows a step end too", () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = stream(11, seed);
    const n = 14;
    const weights = graph(n, random, 0.7, 0).map((w) => (w === 0 ? 0 : 1 + w * 10 ** -(10 + (seed % 7))));
    const even = new Float64Array(n * n);
    for (let i = 0; i < n * n; i++) even[i] = Math.max(weights[i]!, weights[(i % n) * n + Math.floor(i / n)]!);
    const weight = weightOf(maximumWeightMatching(even, n), [...even], n);
    assert.ok(weight > bestByTrying([...even], n) * (1 - 1e-5), `seed ${seed}`);
  }
});

test("nothing is matched where there are no edges", () => {
  assert.deepEqual([...maximumWeightMatching(new Float64Array(9), 3)], [-1, -1, -1]);
  assert.deepEqual([...maximumWeightMatching([], 0)], []);
});
