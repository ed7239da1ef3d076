/**
 * Greedy merging of neighbours, the heart of both SPM and BPE: the pair of the lowest rank first, the leftmost of equals.
 *
 * Symbols are stretches of the text, linked in order; a heap holds candidate pairs, and those that a merge made stale are
 * known by their length. O(n log n).
 */
import { Heap } from "../../core/heap.ts";

interface Pair {
  readonly rank: number;
  /** Index of the left symbol, and of the right one. */
  readonly left: number;
  readonly right: number;
  /** Of both together, in code units. */
  readonly length: number;
}

/** The rank of joining text[start, middle) with text[middle, end), or `undefined` where they do not join. */
export type PairRank = (start: number, middle: number, end: number) => number | undefined;

/** Where the merged symbols of `text` start, in order; at first each code point is one. */
export function mergePairs(text: string, rankOf: PairRank): number[] {
  const starts = codePointStarts(text);
  const count = starts.length;
  const length = Int32Array.from(starts, (start, i) => (starts[i + 1] ?? text.length) - start);
  const next = Int32Array.from(starts, (_, i) => i + 1);
  const previous = Int32Array.from(starts, (_, i) => i - 1);
  const pairs = new Heap<Pair>((a, b) => a.rank < b.rank || (a.rank === b.rank && a.left < b.left));

  const consider = (left: number, right: number): void => {
    if (left < 0 || right >= count) return;
    const middle = starts[right]!;
    const rank = rankOf(starts[left]!, middle, middle + length[right]!);
    if (rank !== undefined) pairs.push({ rank, left, right, length: length[left]! + length[right]! });
  };
  for (let i = 1; i < count; i++) consider(i - 1, i);
  for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
    const { left, right } = pair;
    if (length[left] === 0 || length[right] === 0 || length[left]! + length[right]! !== pair.length) continue;
    length[left] = pair.length;
    length[right] = 0;
    const after = next[right]!;
    next[left] = after;
    if (after < count) previous[after] = left;
    consider(previous[left]!, left);
    consider(left, after);
  }
  const merged: number[] = [];
  for (let i = 0; i < count; i = next[i]!) merged.push(starts[i]!);
  return merged;
}

function codePointStarts(text: string): number[] {
  const starts: number[] = [];
  for (let i = 0; i < text.length; i += text.codePointAt(i)! > 0xffff ? 2 : 1) starts.push(i);
  return starts;
}
