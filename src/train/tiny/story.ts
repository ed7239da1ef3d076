/** Short stories on a subject: who, what and where are drawn or asked for; a prompt tells some of it, the story all. */
import type { Random } from "../../core/random.ts";
import { capital, inventedWord, listed, pick, pickSome, whole, withArticle } from "./draw.ts";
import type { Example } from "./example.ts";
import { endings, feelings, openings, type Plot, plots, type Slot, wishes } from "./story-grammar.ts";
import { judgeStory } from "./story-judge.ts";
import { adjectives, boys, colours, female, friends, girls, heroes, male, places, things } from "./words.ts";

export type Cast = Readonly<Record<Slot, string>>;

/** What a prompt asks of a story. */
export interface Asked {
  /** Slots that the prompt names. */
  readonly cast: Partial<Cast>;
  /** Where the prompt names words and not their parts in the story, each may have any. */
  readonly anyPart?: true;
  readonly plot?: string;
}

interface Phrase {
  readonly text: string;
  readonly plot?: string;
}

/** What is seldom asked for is learnt badly: what a hero is like, and the friend, are asked for as often as names and things. */
const subjects: readonly Phrase[] = [
  ...["{a n}", "{a d} {n}", "{a d} {n}", "{a n} named {H}", "{a d} {n} named {H}", "{a d} {n} named {H}"].map(said),
  ...["{a n} and {a t}", "{a d} {n} and {a t}", "{a n} and {a f}", "{a d} {n} and {a f}", "{a n} and the {w}"].map(
    said,
  ),
  ...["{H} the {n}", "{H} the {n} and {F} the {f}", "{a n} named {H} and {a f} named {F}", "{a n} at {a w}"].map(said),
  ...["{a d} {n} who meets {F} the {f}", "{a n} named {H} and {a t}", "{a n} who has {a t}"].map(said),
  ...["{a d} {n} with {a c} {t}", "{a n} whose friend is {a f} named {F}"].map(said),
  { text: "{a n} who lost {a t}", plot: "lost" },
  { text: "{a d} {n} who lost {a t}", plot: "lost" },
  { text: "{a n} whose {t} broke", plot: "broken" },
  { text: "{a n} in a storm", plot: "storm" },
  { text: "{a d} {n} in a storm at the {w}", plot: "storm" },
  { text: "{a d} {n} who helps {a f}", plot: "stuck" },
  { text: "{a n} and {a f} who both want {a t}", plot: "quarrel" },
  { text: "{a d} {n} who runs a race", plot: "race" },
  { text: "{a n} who is hungry", plot: "hungry" },
];

function said(text: string): Phrase {
  return { text };
}

const requests = [
  ...["Tell me a story about SUBJECT.", "Write a story about SUBJECT.", "Write a short story about SUBJECT."],
  ...["Please tell me a story about SUBJECT.", "A story about SUBJECT, please.", "Can you tell a story about SUBJECT?"],
  ...["Tell a short story about SUBJECT.", "Make up a story about SUBJECT.", "I want a story about SUBJECT."],
  ...["Story about SUBJECT", "Tell me about SUBJECT.", "Tell my son a story about SUBJECT.", "A tale of SUBJECT."],
];

const byWords = [
  "Write a story with the words WORDS.",
  "Tell me a story. Use the words WORDS.",
  "Tell a story that has WORDS in it.",
  "Make a story from these words: WORDS.",
];

const free = ["Tell me a story.", "Tell a story", "Write a short story.", "Another story, please.", "One more story!"];

export function makeStory(random: Random): Example {
  const cast = drawCast(random);
  const { prompt, asked, variety } = promptOf(random, cast);
  const plot = asked.plot ?? pick(random, Object.keys(plots));
  return {
    kind: "story",
    prompt,
    answer: storyOf(random, cast, plot, Object.values(asked.cast)),
    key: keyOf(prompt, asked, variety),
    variety,
    judge: (answer) => judgeStory(answer, asked),
  };
}

/** What is asked for, whatever the wording; of words without parts, which words. */
function keyOf(prompt: string, { cast, plot, anyPart }: Asked, variety: string): string {
  if (variety === "free") return `story ${prompt}`;
  if (anyPart) return `story of ${Object.values(cast).sort()}`;
  return `story ${plot ?? ""} ${JSON.stringify(cast)}`;
}

function drawCast(random: Random): Cast {
  const n = random() < 0.04 ? inventedWord(random) : pick(random, heroes);
  const f = pick(
    random,
    friends.filter((friend) => friend !== n),
  );
  const her = { P: "She", p: "she", o: "her", S: "Her", s: "her" };
  const him = { P: "He", p: "he", o: "him", S: "His", s: "his" };
  const girl = isGirl(random, n);
  const H = random() < 0.08 ? capital(inventedWord(random)) : pick(random, girl ? girls : boys);
  const F = pick(
    random,
    (isGirl(random, f) ? girls : boys).filter((name) => name !== H),
  );
  const t = pick(
    random,
    things.filter((thing) => thing !== n && thing !== f),
  );
  const drawn = { d: pick(random, adjectives), c: pick(random, colours), w: pick(random, places) };
  return { H, n, F, f, t, ...drawn, ...(girl ? her : him) };
}

const isGirl = (random: Random, noun: string): boolean =>
  female.includes(noun) || (!male.includes(noun) && random() < 0.5);

function promptOf(random: Random, cast: Cast): { prompt: string; asked: Asked; variety: string } {
  const share = random();
  if (share < 0.03) return { prompt: pick(random, free), asked: { cast: {} }, variety: "free" };
  if (share < 0.25) {
    const slots = ["n", ...pickSome(random, ["t", "w", "f"] as const, whole(random, 1, 2))] as const;
    const words = pickSome(random, slots, slots.length);
    const prompt = pick(random, byWords).replace("WORDS", listed(words.map((slot) => cast[slot as Slot])));
    return { prompt, asked: { cast: castOf(words as Slot[], cast), anyPart: true }, variety: "words" };
  }
  const { text, plot } = pick(random, subjects);
  const slots = [...text.matchAll(/\{(?:a )?(\w)\}/g)].map((match) => match[1] as Slot);
  return {
    prompt: pick(random, requests).replace("SUBJECT", fill(text, cast)),
    asked: { cast: castOf(slots, cast), ...(plot !== undefined && { plot }) },
    variety: plot === undefined ? "subject" : "plot",
  };
}

const castOf = (slots: readonly Slot[], cast: Cast): Partial<Cast> =>
  Object.fromEntries([...slots].sort().map((slot) => [slot, cast[slot]]));

const fill = (text: string, cast: Cast): string =>
  text.replace(/\{(a )?(\w)\}/g, (_, article: string | undefined, slot: Slot) =>
    article === undefined ? cast[slot] : withArticle(cast[slot]),
  );

/** Drawn again until all that was asked for is in it: not every sentence names the place and the friend's kind. */
function storyOf(random: Random, cast: Cast, plot: string, needed: readonly string[]): string {
  for (;;) {
    const { problem, search, help, answer } = plots[plot] as Plot;
    const stages = [openings, wishes, problem, search, help, answer, ...(random() < 0.6 ? [feelings] : []), endings];
    const story = stages.map((stage) => fill(pick(random, stage), cast)).join(" ");
    if (needed.every((word) => new RegExp(`\\b${word}\\b`).test(story))) return story;
  }
}
