/**
 * Which tokens of a vocabulary a constraint allows next: one walk of the automaton over a trie of all tokens' bytes, so that a
 * prefix that breaks the grammar is refused once for all tokens that begin with it.
 */
import { assert } from "../../core/errors.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import type { ConstraintState } from "../generation.ts";
import { type ByteState, isByteState } from "./grammar.ts";
import { takesPlainText } from "./plain-text.ts";
import { buildTries, type Trie, type VocabularyTries } from "./trie.ts";

/** Masks kept, the latest used: inside a string every token leads back to the same state. */
const keptMax = 32;

export class TokenMasks {
  readonly #tokenizer: Tokenizer;
  readonly #kept = new Map<ByteState, Uint8Array>();
  #slices: Generator<void, VocabularyTries> | undefined;
  #tries: VocabularyTries | undefined;
  #ready: Promise<void> | undefined;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /**
   * Prepares masks of such a state, once a tokenizer: a slice of the work in each turn of the event loop, so that nobody else
   * waits for it. Resolves once masks cost little.
   */
  ready(state: ConstraintState): Promise<void> {
    if (!isByteState(state)) return Promise.resolve();
    this.#ready ??= this.#prepare();
    return this.#ready;
  }

  async #prepare(): Promise<void> {
    while (!this.#slice()) await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** True once there is nothing left to build. */
  #slice(): boolean {
    if (this.#tries !== undefined) return true;
    this.#slices ??= buildTries(this.#tokenizer);
    const { done, value } = this.#slices.next();
    if (done === true) this.#tries = value;
    return done === true;
  }

  /**
   * One flag a token, [V], the caller's own. Control tokens, which stand for no bytes, are never allowed: an end is the
   * caller's to allow. Where nobody waited for `ready`, what is left of the work is done here.
   */
  allowed(state: ConstraintState): Uint8Array {
    assert(isByteState(state), () => "a mask of a state that is not this automaton's");
    const flags = this.#kept.get(state) ?? this.#mask(state);
    this.#kept.delete(state);
    this.#kept.set(state, flags);
    if (this.#kept.size > keptMax) this.#kept.delete(this.#kept.keys().next().value!);
    return flags.slice();
  }

  #mask(state: ByteState): Uint8Array {
    while (!this.#slice()) {}
    const { isPlain, plain, rest } = this.#tries!;
    const known = takesPlainText(state);
    const flags = known ? isPlain.slice() : new Uint8Array(this.#tokenizer.vocabulary);
    if (!known) walk(plain, state, flags);
    walk(rest, state, flags);
    return flags;
  }
}

/** Sets the flags of the trie's tokens that the state allows. */
function walk({ bytes, depths, after, starts, tokens }: Trie, state: ByteState, flags: Uint8Array): void {
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
}
