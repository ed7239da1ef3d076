/** Sets of code points as grammars of the bytes that spell them in UTF-8. */
import { bytes, choice, type Grammar, sequence } from "./grammar.ts";

/** Code points `from` … `to`, both included. */
export type Range = readonly [from: number, to: number];

export const lastCodePoint = 0x10ffff;
/** Halves of UTF-16 pairs, which no text contains by themselves. */
const surrogates: Range = [0xd800, 0xdfff];
/** The last code points of one, two, three and four bytes. */
const lengths = [0x7f, 0x7ff, 0xffff, lastCodePoint];

/** Sorted, without overlaps. */
export function union(ranges: readonly Range[]): readonly Range[] {
  const merged: [number, number][] = [];
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** All other code points. */
export function complement(ranges: readonly Range[]): readonly Range[] {
  const others: Range[] = [];
  let next = 0;
  for (const [from, to] of union(ranges)) {
    if (from > next) others.push([next, from - 1]);
    next = to + 1;
  }
  if (next <= lastCodePoint) others.push([next, lastCodePoint]);
  return others;
}

/** What is in both. */
const intersection = (a: readonly Range[], b: readonly Range[]): readonly Range[] =>
  complement([...complement(a), ...complement(b)]);

/** One character of the set, in UTF-8. Surrogates are left out. */
export function codePoints(ranges: readonly Range[]): Grammar {
  const parts = intersection(ranges, complement([surrogates])).flatMap(([from, to]) => sameLength(from, to));
  return parts.length === 1 ? parts[0]! : choice(...parts);
}

/** The range in parts that take equally many bytes. */
function sameLength(from: number, to: number): readonly Grammar[] {
  return lengths.flatMap((last, i) => {
    const first = i === 0 ? 0 : lengths[i - 1]! + 1;
    const [low, high] = [Math.max(from, first), Math.min(to, last)];
    return low > high ? [] : spelled(low, high, i, true);
  });
}

/** `behind` is the number of bytes that follow the first; `leading` tells a first byte from one that follows. */
function spelled(from: number, to: number, behind: number, leading: boolean): readonly Grammar[] {
  const prefix = !leading ? 0x80 : behind === 0 ? 0 : [0, 0xc0, 0xe0, 0xf0][behind]!;
  if (behind === 0) return [bytes([prefix | from, prefix | to])];
  const span = 64 ** behind;
  const [first, last] = [Math.floor(from / span), Math.floor(to / span)];
  const tail = (low: number, high: number): Grammar => choice(...spelled(low, high, behind - 1, false));
  const part = (a: number, b: number, low: number, high: number): Grammar =>
    sequence(bytes([prefix | a, prefix | b]), tail(low, high));
  if (first === last) return [part(first, first, from % span, to % span)];
  const whole: Range = [from % span === 0 ? first : first + 1, to % span === span - 1 ? last : last - 1];
  return [
    ...(whole[0] > first ? [part(first, first, from % span, span - 1)] : []),
    ...(whole[0] <= whole[1] ? [part(whole[0], whole[1], 0, span - 1)] : []),
    ...(whole[1] < last ? [part(last, last, 0, to % span)] : []),
  ];
}
