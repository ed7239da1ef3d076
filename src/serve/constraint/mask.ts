/**
 * Which tokens of a vocabulary a constraint allows next: one walk of the automaton over a trie of all tokens' bytes, so that a
 * prefix that breaks the grammar is refused once for all tokens that begin with it.
 */
import { assert } from "../../core/errors.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { ConstraintState } from "../generation.ts";
import { type ByteState, isByteState } from "./grammar.ts";

/** Nodes in depth-first order: where a node's byte is refused, the walk jumps to `after`. */
interface Trie {
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly after: Int32Array;
  /** Tokens that end at each node: `tokens[starts[n] … starts[n + 1])`. */
  readonly starts: Int32Array;
  readonly tokens: Int32Array;
}

export class TokenMasks {
  readonly #tokenizer: Tokenizer;
  #trie: Trie | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** One flag a token, [V]. Control tokens, which stand for no bytes, are never allowed: an end is the caller's to allow. */
  allowed(state: ConstraintState): Uint8Array {
    assert(isByteState(state), () => "a mask of a state that is not this automaton's");
    this.#trie ??= build(this.#tokenizer);
    const { bytes, depths, after, starts, tokens } = this.#trie;
    const flags = new Uint8Array(this.#tokenizer.vocabulary);
    const path: ByteState[] = [state];
    for (let node = 0; node < bytes.length; ) {
      const depth = depths[node]!;
      const next = path[depth]!.step(bytes[node]!);
      if (next === undefined) {
        node = after[node]!;
        continue;
      }
      path[depth + 1] = next;
      for (let i = starts[node]!; i < starts[node + 1]!; i++) flags[tokens[i]!] = 1;
      node++;
    }
    return flags;
  }
}

function build(tokenizer: Tokenizer): Trie {
  const spelled: { readonly id: number; readonly text: Uint8Array }[] = [];
  for (let id = 0; id < tokenizer.vocabulary; id++) {
    const text = tokenizer.bytes(id);
    if (text.length > 0) spelled.push({ id, text });
  }
  spelled.sort((a, b) => compare(a.text, b.text));
  const [bytes, depths, starts]: number[][] = [[], [], []];
  const tokens: number[] = [];
  let last = new Uint8Array();
  for (const { id, text } of spelled) {
    let shared = 0;
    while (shared < last.length && shared < text.length && last[shared] === text[shared]) shared++;
    for (let depth = shared; depth < text.length; depth++) {
      bytes!.push(text[depth]!);
      depths!.push(depth);
      starts!.push(tokens.length);
    }
    tokens.push(id);
    last = Uint8Array.from(text);
  }
  starts!.push(tokens.length);
  return {
    bytes: Uint8Array.from(bytes!),
    depths: Uint16Array.from(depths!),
    after: afters(depths!),
    starts: Int32Array.from(starts!),
    tokens: Int32Array.from(tokens),
  };
}

/** For each node, the next node that is not below it. */
function afters(depths: readonly number[]): Int32Array {
  const after = new Int32Array(depths.length);
  const next: number[] = [];
  for (let node = depths.length - 1; node >= 0; node--) {
    const depth = depths[node]!;
    after[node] = Math.min(depths.length, ...next.slice(0, depth + 1).filter((n) => n !== undefined));
    next.length = depth + 1;
    next[depth] = node;
  }
  return after;
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
