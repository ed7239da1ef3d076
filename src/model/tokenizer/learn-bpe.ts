/**
 * Learns a byte-level BPE from text: the pair of neighbours that occurs most often becomes a token, again and again.
 *
 * The text is cut into words first, by the pre-tokenizer that will cut it in use, so each word is counted once however often it
 * occurs. Of equal counts the pair of the smaller ids wins: the result is a function of the text alone. Source: Sennrich et al.,
 * ACL 2016, over bytes as GPT-2 has it.
 */
import { UserError } from "../../core/errors.ts";
import { Heap } from "../../core/heap.ts";
import type { GgufValue } from "../gguf-writer.ts";
import { byteLevelCharacters, toByteLevel } from "./byte-level.ts";
import { preTokenizer, splitWords } from "./pre-tokenizer.ts";
import { tokenTypes } from "./vocabulary.ts";

export interface LearntBpe {
  /** Name of the pre-tokenizer, as `tokenizer.ggml.pre`. */
  readonly pre: string;
  /** By id, bytes as characters: the 256 bytes, one for each merge, then `controls`. */
  readonly pieces: readonly string[];
  /** `left right`, in the order learnt. */
  readonly merges: readonly string[];
  /** Tokens that no text merges to: ends of turns and the like. */
  readonly controls: readonly string[];
}

export interface BpeOptions {
  /** Tokens in all, controls included. Fewer are learnt where no pair occurs twice any more. */
  readonly vocabulary: number;
  readonly controls: readonly string[];
  readonly pre: string;
}

interface Candidate {
  readonly count: number;
  readonly left: number;
  readonly right: number;
}

export function learnBpe(texts: Iterable<string>, { vocabulary, controls, pre }: BpeOptions): LearntBpe {
  if (vocabulary < 256 + controls.length) {
    throw new UserError(
      `Learning a tokenizer of ${vocabulary} tokens: 256 bytes and ${controls.length} control tokens are more.`,
      "Ask for a larger vocabulary.",
    );
  }
  const words = countWords(texts, pre, controls);
  const pieces = [...byteLevelCharacters];
  const merges: string[] = [];
  const pairs = new Pairs(words);
  while (pieces.length + controls.length < vocabulary) {
    const best = pairs.best();
    if (best === undefined) break;
    merges.push(`${pieces[best.left]} ${pieces[best.right]}`);
    pairs.merge(best.left, best.right, pieces.push(pieces[best.left]! + pieces[best.right]!) - 1);
  }
  return { pre, pieces: [...pieces, ...controls], merges, controls };
}

/** What `tokenizerFromGguf`, and llama.cpp, read the tokenizer from; `end` is the control token that ends a text. */
export function bpeMetadata({ pre, pieces, merges, controls }: LearntBpe, end: string): Record<string, GgufValue> {
  const first = pieces.length - controls.length;
  const endId = pieces.indexOf(end, first);
  const types = pieces.map((_, id) => (id < first ? tokenTypes.normal : tokenTypes.control));
  return {
    "tokenizer.ggml.model": { string: "gpt2" },
    "tokenizer.ggml.pre": { string: pre },
    "tokenizer.ggml.tokens": { strings: pieces },
    "tokenizer.ggml.token_type": { i32s: types },
    "tokenizer.ggml.merges": { strings: merges },
    "tokenizer.ggml.bos_token_id": { u32: endId },
    "tokenizer.ggml.eos_token_id": { u32: endId },
    "tokenizer.ggml.add_bos_token": { bool: false },
  };
}

interface Word {
  ids: number[];
  readonly count: number;
}

function countWords(texts: Iterable<string>, pre: string, controls: readonly string[]): Word[] {
  const { patterns } = preTokenizer(pre);
  const counts = new Map<string, number>();
  for (const text of texts) {
    for (const part of withoutControls(text, controls)) {
      for (const word of splitWords(part, patterns)) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const idOf = new Map(byteLevelCharacters.map((character, id) => [character, id]));
  return Array.from(counts, ([word, count]) => {
    return { ids: Array.from(toByteLevel(word), (character) => idOf.get(character)!), count };
  });
}

/** Control tokens are found before words are cut, so their text teaches nothing. */
function withoutControls(text: string, controls: readonly string[]): readonly string[] {
  return controls.reduce<readonly string[]>((parts, control) => parts.flatMap((part) => part.split(control)), [text]);
}

/** How often each pair of neighbours occurs, and in which words. */
class Pairs {
  readonly #words: readonly Word[];
  readonly #counts = new Map<number, number>();
  readonly #where = new Map<number, Set<number>>();
  readonly #heap = new Heap<Candidate>(
    (a, b) =>
      a.count > b.count || (a.count === b.count && (a.left < b.left || (a.left === b.left && a.right < b.right))),
  );

  constructor(words: readonly Word[]) {
    this.#words = words;
    for (const index of words.keys()) this.#add(index, 1);
    for (const key of this.#counts.keys()) this.#offer(key);
  }

  /** `undefined` where no pair occurs twice. Counts in the heap may be old: one that is, is put back with what it is now. */
  best(): Candidate | undefined {
    for (let top = this.#heap.pop(); top !== undefined; top = this.#heap.pop()) {
      const now = this.#counts.get(pairKey(top.left, top.right)) ?? 0;
      if (now === top.count) return top.count > 1 ? top : undefined;
      if (now > 0) this.#heap.push({ ...top, count: now });
    }
    return undefined;
  }

  merge(left: number, right: number, id: number): void {
    const changed = new Set<number>();
    for (const index of this.#where.get(pairKey(left, right)) ?? []) {
      const word = this.#words[index]!;
      this.#add(index, -1);
      const ids: number[] = [];
      for (let i = 0; i < word.ids.length; i++) {
        const both = word.ids[i] === left && word.ids[i + 1] === right;
        ids.push(both ? id : word.ids[i]!);
        if (both) i++;
      }
      word.ids = ids;
      for (const key of this.#add(index, 1)) changed.add(key);
    }
    for (const key of changed) this.#offer(key);
  }

  /** Counts a word's pairs, or with −1 takes them off; returns their keys. */
  #add(index: number, sign: 1 | -1): readonly number[] {
    const { ids, count } = this.#words[index]!;
    const keys: number[] = [];
    for (let i = 0; i + 1 < ids.length; i++) {
      const key = pairKey(ids[i]!, ids[i + 1]!);
      keys.push(key);
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + sign * count);
      if (sign < 0) continue;
      const known = this.#where.get(key);
      if (known === undefined) this.#where.set(key, new Set([index]));
      else known.add(index);
    }
    return keys;
  }

  #offer(key: number): void {
    this.#heap.push({ count: this.#counts.get(key)!, left: Math.floor(key / radix), right: key % radix });
  }
}

const radix = 2 ** 20;
const pairKey = (left: number, right: number): number => left * radix + right;
