/**
 * What can be checked of a story without a reader.
 *
 * It must be one that the grammar can write: an opening, a wish, a problem with its search, help and answer (all of one
 * plot), an ending, in this order, with nothing in between and nothing after; the same names, things, places and pronouns from
 * the first sentence to the last; and what was asked for must be in it. A story by this judge is coherent because the
 * grammar is; it says nothing of stories outside of the grammar, which it refuses.
 */

import type { Asked } from "./story.ts";
import { endings, feelings, openings, plots, type Slot, wishes } from "./story-grammar.ts";
import { boys, female, girls, male } from "./words.ts";

type Found = Readonly<Partial<Record<Slot, string>>>;

const pronouns: readonly Found[] = [
  { P: "She", p: "she", o: "her", S: "Her", s: "her" },
  { P: "He", p: "he", o: "him", S: "His", s: "his" },
];

export function judgeStory(story: string, asked: Asked): string | undefined {
  const names = asked.plot === undefined ? Object.keys(plots) : [asked.plot];
  let furthest = 0;
  let complaint: string | undefined;
  for (const name of names) {
    const { problem, search, help, answer } = plots[name]!;
    const before = [openings, wishes, problem, search, help, answer];
    for (const stages of [
      [...before, feelings, endings],
      [...before, endings],
    ]) {
      for (const pronoun of pronouns) {
        const reached = read(story, stages, pronoun);
        if (typeof reached === "number") furthest = Math.max(furthest, reached);
        else {
          const wrong = compare(story, reached, asked);
          if (wrong === undefined) return undefined;
          complaint ??= wrong;
        }
      }
    }
  }
  return complaint ?? `no story from character ${furthest} on: "${story.slice(furthest, furthest + 60)}"`;
}

/** The slots as the whole text fills them, or how far it could be read. */
function read(story: string, stages: readonly (readonly string[])[], pronoun: Found): Found | number {
  let furthest = 0;
  const from = (at: number, stage: number, found: Found): Found | undefined => {
    furthest = Math.max(furthest, at);
    if (stage === stages.length) return at === story.length && !story.endsWith(" ") ? found : undefined;
    for (const template of stages[stage]!) {
      const { pattern, slots } = compiled(template, found);
      pattern.lastIndex = at;
      const match = pattern.exec(story);
      if (match === null) continue;
      const more = Object.fromEntries(slots.map((slot, i) => [slot, match[i + 1]!]));
      const end = from(at + match[0].length, stage + 1, { ...found, ...more });
      if (end !== undefined) return end;
    }
    return undefined;
  };
  return from(0, 0, pronoun) ?? furthest;
}

/** A sentence with what is known filled in and the rest open. Each sentence is followed by a space or the end. */
function compiled(template: string, found: Found): { pattern: RegExp; slots: Slot[] } {
  const slots: Slot[] = [];
  const source = template
    .replace(/[.?!()]/g, "\\$&")
    .replace(/\{(a )?(\w)\}/g, (_, article: string | undefined, slot: Slot) => {
      const known = found[slot];
      const open = slot === "H" || slot === "F" ? "[A-Z][a-z]+" : "[a-z]+";
      const seen = slots.indexOf(slot);
      if (known === undefined && seen < 0) slots.push(slot);
      const word = known ?? (seen < 0 ? `(${open})` : `\\${seen + 1}`);
      return article === undefined ? word : `(?:an (?=(?!uni)[aeiou])|a (?=uni|[^aeiou]))${word}`;
    });
  return { pattern: new RegExp(`${source}(?: |$)`, "y"), slots };
}

function compare(story: string, found: Found, asked: Asked): string | undefined {
  for (const [slot, value] of Object.entries(asked.cast)) {
    const is = found[slot as Slot];
    if (!asked.anyPart && is !== undefined && is !== value) return `"${is}" instead of "${value}"`;
    if (!new RegExp(`\\b${value}\\b`).test(story)) return `no "${value}"`;
  }
  const { H, F, p, t, w, f, n } = found;
  if (H === F) return "both have one name";
  if (t !== undefined && t === w) return `"${t}" is a thing and a place`;
  return genderOf(p, [H, n]) ?? genderOf(undefined, [F, f]);
}

/** What is called "she" must not have a boy's name, nor be a king: names and nouns that are known as either must agree. */
function genderOf(pronoun: string | undefined, words: readonly (string | undefined)[]): string | undefined {
  const is = (kinds: readonly (readonly string[])[]): string | undefined =>
    words.find((word) => word !== undefined && kinds.some((kind) => kind.includes(word)));
  const [she, he] = [is([girls, female]), is([boys, male])];
  if (she !== undefined && he !== undefined) return `${she} is ${he}`;
  if (she !== undefined && pronoun === "he") return `${she} is called "he"`;
  return he !== undefined && pronoun === "she" ? `${he} is called "she"` : undefined;
}
