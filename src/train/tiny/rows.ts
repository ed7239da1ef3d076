/**
 * Rows of tokens to train on: conversations of one to three exchanges, one after the other until the row is full; the last one
 * is cut. What counts is the assistant's part with its end: targets elsewhere have no weight.
 */
import { type Random, stream } from "../../core/random.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { TokenBatch } from "../model-step.ts";
import { pick, whole } from "./draw.ts";
import type { Example } from "./example.ts";
import { exampleAt, type Mixture, type Part } from "./examples.ts";
import { turn } from "./format.ts";

const systems = [
  ...["You are a helpful assistant.", "You are heddle-tiny.", "Be brief.", "You are a friendly assistant."],
  ...["Answer the user.", "You answer questions and tell stories.", "You are a helpful, honest assistant. Be kind."],
];

export interface RowsWanted {
  readonly part: Part;
  readonly seed: number;
  readonly first: number;
  readonly rows: number;
  readonly length: number;
  readonly mixture?: Mixture;
}

/** Row `first`, `first + 1`, … of a part; each is a function of part, seed, mixture and its number. */
export function rowsAt(tokenizer: Tokenizer, wanted: RowsWanted): TokenBatch {
  const { first, rows, length } = wanted;
  const tokens = new Int32Array(rows * length);
  const targets = new Int32Array(rows * length);
  const weights = new Float32Array(rows * length);
  for (let i = 0; i < rows; i++) {
    const { ids, counted } = row(tokenizer, wanted, first + i);
    tokens.set(ids.slice(0, length), i * length);
    targets.set(ids.slice(1), i * length);
    weights.set(counted.slice(1), i * length);
  }
  return { tokens, targets, weights };
}

function row(tokenizer: Tokenizer, { part, seed, mixture, length: tokens }: RowsWanted, index: number) {
  // Of n tokens each but the last has a target.
  const length = tokens + 1;
  const random = stream(seed, 3, index);
  const ids: number[] = [];
  const counted: number[] = [];
  const add = (text: string, weight: 0 | 1): void => {
    for (const id of tokenizer.encode(text)) {
      ids.push(id);
      counted.push(weight);
    }
  };
  for (let n = 0; ids.length < length; ) {
    if (random() < 0.1) add(turn("system", pick(random, systems)), 0);
    for (let exchanges = exchangesOf(random); exchanges > 0 && ids.length < length; exchanges--) {
      const example = exampleAt(part, seed, index * 64 + n++, mixture);
      add(`${turn("user", asked(random, example))}<|assistant|>`, 0);
      add(`${example.answer}<|end|>`, 1);
    }
  }
  return { ids: ids.slice(0, length), counted: counted.slice(0, length) };
}

const exchangesOf = (random: Random): number => (random() < 0.6 ? 1 : whole(random, 2, 4));

/** People leave out the full stop, and begin with a small letter. */
function asked(random: Random, { prompt, kind }: Example): string {
  if (kind === "json" || random() < 0.8) return prompt;
  const bare = prompt.replace(/[.?!]$/, "");
  return random() < 0.5 ? bare : bare.slice(0, 1).toLowerCase() + bare.slice(1);
}
