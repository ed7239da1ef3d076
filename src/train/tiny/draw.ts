/** Choices that examples are made by, all from one stream of counted randomness. */
import { draw, type Random } from "../../core/random.ts";

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!;
}

/** A whole number from `low` to `high`, both included. */
export const whole = (random: Random, low: number, high: number): number =>
  low + Math.floor(random() * (high - low + 1));

/** `count` different ones, in the order of the draws. */
export function pickSome<T>(random: Random, from: readonly T[], count: number): T[] {
  const left = [...from];
  return Array.from(
    { length: Math.min(count, left.length) },
    () => left.splice(Math.floor(random() * left.length), 1)[0]!,
  );
}

/** A word that nobody knows: whoever repeats it has read it. */
export function inventedWord(random: Random): string {
  const syllable = (): string => pick(random, [..."bdfgklmnprstvz"]) + pick(random, [..."aeiou"]);
  const ends = ["", "n", "l", "r", "m", "x", "nd", "sk"];
  return Array.from({ length: whole(random, 1, 2) }, syllable).join("") + syllable() + pick(random, ends);
}

export const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

/** "a fox", "an owl", "a unicorn". */
export const withArticle = (word: string): string => `${/^(?!uni)[aeiou]/.test(word) ? "an" : "a"} ${word}`;

/** "a, b and c". */
export const listed = (items: readonly string[]): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;

/** Uniform in [0, 1), a function of the text alone: what is held out is held out under every seed. */
export function hashOf(text: string): number {
  return draw(...Buffer.from(text));
}
