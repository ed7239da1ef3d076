/**
 * Answers in a requested form: a text with facts, a list of keys or a JSON Schema, and an object with what the text says.
 *
 * Facts, their order, what is asked of them, the names and the order of keys, and the wording vary independently; the text
 * says more than is asked. A part of the names are invented, so that values are copied and not recalled.
 */
import type { Random } from "../../core/random.ts";
import { capital, inventedWord, listed, pick, pickSome, whole, withArticle } from "./draw.ts";
import type { Example } from "./example.ts";
import { boys, cities, colours, days, girls, goods, jobs, pets, things } from "./words.ts";

type Value = string | number | boolean | readonly string[];
type Shape = "string" | "integer" | "boolean" | "strings";

/** A fact: the sentences that say it (its value is drawn), the keys that may ask for it. */
interface Fact {
  readonly shape: Shape;
  readonly keys: readonly string[];
  readonly clauses: readonly string[];
  draw(random: Random): { readonly value: Value; readonly text: string };
}

const plain = (random: Random, from: readonly string[]) => {
  const value = pick(random, from);
  return { value, text: value };
};

const facts: readonly Fact[] = [
  {
    shape: "integer",
    keys: ["age", "years", "age_in_years"],
    clauses: ["is # years old", "turned # this year"],
    draw: (random) => {
      const value = whole(random, 2, 99);
      return { value, text: String(value) };
    },
  },
  {
    shape: "string",
    keys: ["city", "town", "home"],
    clauses: ["lives in #", "comes from #", "has a house in #"],
    draw: (random) => plain(random, cities),
  },
  {
    shape: "string",
    keys: ["job", "work", "profession"],
    clauses: ["works as #", "is #"],
    draw: (random) => {
      const value = pick(random, jobs);
      return { value, text: withArticle(value) };
    },
  },
  {
    shape: "string",
    keys: ["pet", "animal"],
    clauses: ["has # as a pet", "owns #", "takes care of #"],
    draw: (random) => {
      const value = pick(random, pets);
      return { value, text: withArticle(value) };
    },
  },
  {
    shape: "string",
    keys: ["colour", "color", "favourite_colour"],
    clauses: ["likes the colour #", "loves everything #", "always wears #"],
    draw: (random) => plain(random, colours),
  },
  {
    shape: "string",
    keys: ["day", "weekday", "free_day"],
    clauses: ["rests on #", "has no work on #", "goes swimming on #"],
    draw: (random) => plain(random, days),
  },
  {
    shape: "boolean",
    keys: ["happy", "is_happy"],
    clauses: ["is # happy", "was # happy today"],
    draw: (random) => {
      const value = random() < 0.5;
      return { value, text: value ? pick(random, ["very", "always"]) : pick(random, ["not", "never"]) };
    },
  },
  {
    shape: "strings",
    keys: ["things", "items", "bag"],
    clauses: ["carries #", "bought #", "sells #"],
    draw: (random) => {
      const value = pickSome(random, things, whole(random, 2, 3));
      return { value, text: listed(value.map(withArticle)) };
    },
  },
];

/** How many of what: the key names the goods. */
function countFact(random: Random): Fact {
  const good = pick(random, [...goods.keys()]);
  return {
    shape: "integer",
    keys: [good, "count", `number_of_${good}`],
    clauses: [`has # ${good}`, `keeps # ${good} at home`],
    draw: (stream) => {
      const value = whole(stream, 2, 99);
      return { value, text: String(value) };
    },
  };
}

interface Asked {
  readonly key: string;
  readonly value: Value;
  readonly shape: Shape;
}

export function makeJson(random: Random): Example {
  const girl = random() < 0.5;
  const known = pick(random, girl ? girls : boys);
  const name = random() < 0.15 ? capital(inventedWord(random)) : known;
  const said = pickSome(random, [...facts, countFact(random)], whole(random, 1, 4)).map((fact) => ({
    fact,
    ...fact.draw(random),
  }));
  const clauses = said.map(({ fact, text }) => pick(random, fact.clauses).replace("#", text));
  const text = joined(random, name, girl ? "She" : "He", clauses);
  const askable: Asked[] = said.map(({ fact, value }) => ({
    key: pick(random, fact.keys),
    value,
    shape: fact.shape,
  }));
  askable.push({ key: pick(random, ["name", "person", "who"]), value: name, shape: "string" });
  const asked = pickSome(random, askable, whole(random, 1, Math.min(4, askable.length)));
  const { prompt, variety } = promptOf(random, text, asked);
  const expected = Object.fromEntries(asked.map(({ key, value }) => [key, value]));
  return {
    kind: "json",
    prompt,
    answer: written(expected),
    key: `json ${text} ${asked.map(({ key }) => key).join()}`,
    variety,
    schema: schemaOf(asked),
    judge: (answer) => judgeJson(answer, expected),
  };
}

/** One sentence, or several. */
function joined(random: Random, name: string, pronoun: string, clauses: readonly string[]): string {
  if (clauses.length > 1 && clauses.length < 4 && random() < 0.4) return `${name} ${listed(clauses)}.`;
  return clauses.map((clause, i) => `${i === 0 ? name : pronoun} ${clause}.`).join(" ");
}

const byKeys = [
  "TEXT Answer in JSON with the keys KEYS.",
  "Read this: TEXT Give me JSON with KEYS.",
  "Extract KEYS as JSON: TEXT",
  "TEXT Write KEYS as JSON.",
  "Turn this into JSON with the keys KEYS: TEXT",
  "TEXT Return a JSON object with KEYS.",
];

const bySchema = [
  "TEXT Answer with JSON of this schema: SCHEMA",
  "TEXT\nSchema: SCHEMA",
  "Use this JSON schema: SCHEMA\nText: TEXT",
  "Fill in this schema: SCHEMA TEXT",
];

function promptOf(random: Random, text: string, asked: readonly Asked[]): { prompt: string; variety: string } {
  const withSchema = random() < 0.5;
  const prompt = pick(random, withSchema ? bySchema : byKeys)
    .replace("SCHEMA", () => JSON.stringify(schemaOf(asked)))
    .replace("KEYS", () => listed(asked.map(({ key }) => key)))
    .replace("TEXT", () => text);
  return { prompt, variety: withSchema ? "by schema" : "by keys" };
}

const typeOf: Readonly<Record<Shape, object>> = {
  string: { type: "string" },
  integer: { type: "integer" },
  boolean: { type: "boolean" },
  strings: { type: "array", items: { type: "string" } },
};

function schemaOf(asked: readonly Asked[]): object {
  return {
    type: "object",
    properties: Object.fromEntries(asked.map(({ key, shape }) => [key, typeOf[shape]])),
    required: asked.map(({ key }) => key),
  };
}

/** With a space after each colon and comma, as people and most models write it. */
function written(value: Value | Readonly<Record<string, Value>>): string {
  if (Array.isArray(value)) return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${written(member)}`);
  return `{${members.join(", ")}}`;
}

/** Nothing but one object, with the keys that were asked for and no other, and what the text says of each. */
function judgeJson(answer: string, expected: Readonly<Record<string, Value>>): string | undefined {
  let given: unknown;
  try {
    given = JSON.parse(answer);
  } catch {
    return "no JSON";
  }
  if (typeof given !== "object" || given === null || Array.isArray(given)) return "no object";
  const members = new Map(Object.entries(given));
  for (const [key, value] of Object.entries(expected)) {
    const found = members.get(key);
    if (found === undefined) return `no "${key}"`;
    if (JSON.stringify(found) !== JSON.stringify(value)) {
      return `"${key}" is ${JSON.stringify(found)} instead of ${JSON.stringify(value)}`;
    }
  }
  return members.size > Object.keys(expected).length ? "keys that nobody asked for" : undefined;
}
