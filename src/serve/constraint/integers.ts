/** Integers of a range as a grammar, digit by digit: exact, without leaving the automaton. */
import { bytes, choice, type Grammar, literal, repeat, sequence } from "./grammar.ts";

const code = (digit: number): number => 0x30 + digit;
const span = (from: number, to: number): Grammar => bytes([code(from), code(to)]);

/** All integers from `min` to `max`, both included, without leading zeros; magnitudes below 10^15. */
export function integersBetween(min: number, max: number): Grammar | undefined {
  if (min > max) return undefined;
  const parts: Grammar[] = [];
  if (min < 0) {
    const negative = naturals(Math.max(1, -Math.min(max, -1)), -min);
    parts.push(sequence(literal("-"), negative));
  }
  if (max >= 0) parts.push(naturals(Math.max(0, min), max));
  return choice(...parts);
}

/** 0 ≤ min ≤ max: one branch for each number of digits. */
function naturals(min: number, max: number): Grammar {
  const [low, high] = [String(min), String(max)];
  const branches: Grammar[] = [];
  for (let length = low.length; length <= high.length; length++) {
    const from = length === low.length ? low : `1${"0".repeat(length - 1)}`;
    const to = length === high.length ? high : "9".repeat(length);
    branches.push(sameLength(from, to));
  }
  return choice(...branches);
}

/** Numbers between two of the same length. */
function sameLength(from: string, to: string): Grammar {
  if (from === "") return sequence();
  const [first, last] = [Number(from[0]), Number(to[0])];
  const left = from.length - 1;
  if (first === last) return sequence(span(first, first), sameLength(from.slice(1), to.slice(1)));
  const branches = [sequence(span(first, first), sameLength(from.slice(1), "9".repeat(left)))];
  if (last - first > 1) branches.push(sequence(span(first + 1, last - 1), repeat(span(0, 9), left, left)));
  branches.push(sequence(span(last, last), sameLength("0".repeat(left), to.slice(1))));
  return choice(...branches);
}
