/**
 * Repeating what was said. It is of little use to anybody, and teaches best what all the rest needs: to look a word up in the
 * prompt and to write it down. Words come in no order that could be guessed.
 */
import type { Random } from "../../core/random.ts";
import { capital, inventedWord, pick, whole } from "./draw.ts";
import type { Example } from "./example.ts";
import { boys, cities, colours, girls, heroes, places, things } from "./words.ts";

const phrasings = ["Repeat: TEXT", "Say this again: TEXT", "Repeat after me: TEXT", "Write this once more: TEXT"];

export function makeEcho(random: Random): Example {
  const text = Array.from({ length: whole(random, 4, 16) }, () => someWord(random)).join(" ");
  return {
    kind: "echo",
    prompt: pick(random, phrasings).replace("TEXT", text),
    answer: text,
    key: `echo ${text}`,
    variety: "echo",
    judge: (answer) => (answer === text ? undefined : "another text"),
  };
}

function someWord(random: Random): string {
  const share = random();
  if (share < 0.2) return String(whole(random, 0, 99));
  if (share < 0.3) return share < 0.25 ? inventedWord(random) : capital(inventedWord(random));
  return pick(random, pick(random, [girls, boys, heroes, things, places, colours, cities]));
}
