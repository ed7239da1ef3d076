/**
 * Which tokens of a vocabulary a constraint allows next: one walk of the automaton over a trie of all tokens' bytes, so that a
 * prefix that breaks the grammar is refused once for all tokens that begin with it.
 */
import { assert } from "../../core/errors.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { ConstraintState } from "../generation.ts";
import { type ByteState, isByteState } from "./grammar.ts";
import { buildTrie, type Trie } from "./trie.ts";

/** Masks kept, the latest used: inside a string every token leads back to the same state. */
const keptMax = 32;

export class TokenMasks {
  readonly #tokenizer: Tokenizer;
  readonly #kept = new Map<ByteState, Uint8Array>();
  #trie: Trie | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * One flag a token, [V], the caller's own. Control tokens, which stand for no bytes, are never allowed: an end is the
   * caller's to allow.
   */
  allowed(state: ConstraintState): Uint8Array {
    assert(isByteState(state), () => "a mask of a state that is not this automaton's");
    const flags = this.#kept.get(state) ?? this.#walk(state);
    this.#kept.delete(state);
    this.#kept.set(state, flags);
    if (this.#kept.size > keptMax) this.#kept.delete(this.#kept.keys().next().value!);
    return flags.slice();
  }

  #walk(state: ByteState): Uint8Array {
    this.#trie ??= buildTrie(this.#tokenizer);
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
