/** The stream of examples: what is trained on, and what is held out. */
import { type Random, stream } from "../../core/random.ts";
import { hashOf } from "./draw.ts";
import { makeEcho } from "./echo.ts";
import type { Example, Kind } from "./example.ts";
import { makeJson } from "./json.ts";
import { makeStory } from "./story.ts";
import { makeSum } from "./sums.ts";
import { makeTalk } from "./talk.ts";

export type Part = "train" | "heldOut";

const makers: Readonly<Record<Kind, (random: Random) => Example>> = {
  sum: makeSum,
  json: makeJson,
  story: makeStory,
  echo: makeEcho,
  talk: makeTalk,
};

/** Shares of the examples; of the tokens, a story has five times a sum's. */
export type Mixture = Readonly<Record<Kind, number>>;

export const evenly: Mixture = { sum: 0.38, json: 0.23, story: 0.25, echo: 0.08, talk: 0.06 };
/** For a model that does sums already: stories are learnt last. */
export const mostlyStories: Mixture = { sum: 0.2, json: 0.22, story: 0.46, echo: 0.06, talk: 0.06 };

/** The tenth of the keys that the hash picks is never trained on, under whatever seed. */
export const isHeldOut = (key: string): boolean => hashOf(key) < 0.1;

/** Example `index` of a part: a function of its arguments alone. */
export function exampleAt(part: Part, seed: number, index: number, mixture = evenly): Example {
  const random = stream(seed, part === "train" ? 0 : 1, index);
  return ofPart(part, random, makers[kindAt(random(), mixture)]);
}

/** Held-out example `index` of one kind. */
export function heldOutExample(kind: Kind, seed: number, index: number): Example {
  return ofPart("heldOut", stream(seed, 2, index), makers[kind]);
}

function ofPart(part: Part, random: Random, make: (random: Random) => Example): Example {
  for (;;) {
    const example = make(random);
    if (isHeldOut(example.key) === (part === "heldOut")) return example;
  }
}

function kindAt(share: number, mixture: Mixture): Kind {
  let below = 0;
  for (const [kind, part] of Object.entries(mixture)) {
    below += part;
    if (share < below) return kind as Kind;
  }
  return "talk";
}
