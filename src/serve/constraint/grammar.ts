/**
 * Grammars over bytes, and the automaton that reads them.
 *
 *     schema ──► grammar ──► state = set of stacks of what must follow ──byte──► next state
 *
 * A stack is a linked list that shares its tail, and equal stacks and states are one object, so a state remembers where each
 * byte leads: text inside a string costs a look-up a byte, whatever the schema.
 */
import { assert } from "../../core/errors.ts";
import type { ConstraintState } from "../generation.ts";
import { checkGrammar } from "./check.ts";

export type Grammar =
  /** One byte of a class: 256 flags. */
  | { readonly kind: "byte"; readonly allowed: Uint8Array }
  | { readonly kind: "sequence"; readonly parts: readonly Grammar[] }
  | { readonly kind: "choice"; readonly parts: readonly Grammar[] }
  /** `part` from `min` to `max` times; `less` is what is left after one. */
  | { readonly kind: "repeat"; readonly part: Grammar; readonly min: number; readonly max: number; less?: Grammar }
  /** A rule by reference, so that rules may contain themselves. */
  | { readonly kind: "rule"; readonly resolve: () => Grammar };

export const sequence = (...parts: readonly Grammar[]): Grammar => ({ kind: "sequence", parts });
export const choice = (...parts: readonly Grammar[]): Grammar => ({ kind: "choice", parts });
export const nothing: Grammar = sequence();
export const optional = (part: Grammar): Grammar => choice(part, nothing);
export function repeat(part: Grammar, min: number, max: number): Grammar {
  return { kind: "repeat", part, min, max };
}
export function bytes(...ranges: readonly (readonly [from: number, to: number])[]): Grammar {
  const allowed = new Uint8Array(256);
  for (const [from, to] of ranges) allowed.fill(1, from, to + 1);
  return { kind: "byte", allowed };
}
/** Exactly this text, in UTF-8. */
export function literal(text: string): Grammar {
  return sequence(...Array.from(new TextEncoder().encode(text), (b) => bytes([b, b])));
}
export const oneOf = (characters: string): Grammar =>
  bytes(...Array.from(characters, (c) => [c.charCodeAt(0), c.charCodeAt(0)] as const));

/** What must follow, innermost first; the root is the end of the text. */
interface Stack {
  readonly id: number;
  readonly top: Grammar | undefined;
  readonly rest: Stack | undefined;
  readonly pushed: Map<Grammar, Stack>;
}

class Automaton {
  #stacks = 0;
  readonly end: Stack = this.#stack(undefined, undefined);
  readonly #states = new Map<string, State>();

  #stack(top: Grammar | undefined, rest: Stack | undefined): Stack {
    return { id: this.#stacks++, top, rest, pushed: new Map() };
  }

  push(rest: Stack, top: Grammar): Stack {
    const known = rest.pushed.get(top);
    if (known !== undefined) return known;
    const made = this.#stack(top, rest);
    rest.pushed.set(top, made);
    return made;
  }

  /** The state of these stacks, each expanded until a byte, or the end, is on top. */
  state(stacks: readonly Stack[]): State | undefined {
    const ready = new Map<number, Stack>();
    const seen = new Set<number>();
    const work = [...stacks];
    for (let stack = work.pop(); stack !== undefined; stack = work.pop()) {
      if (seen.has(stack.id)) continue;
      seen.add(stack.id);
      if (stack.top === undefined || stack.top.kind === "byte") ready.set(stack.id, stack);
      else work.push(...this.#expand(stack.top, stack.rest!));
    }
    if (ready.size === 0) return undefined;
    const ids = [...ready.keys()].sort((a, b) => a - b);
    const key = ids.join();
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const made = new State(
      this,
      ids.map((id) => ready.get(id)!),
      key,
    );
    this.#states.set(key, made);
    return made;
  }

  #expand(top: Exclude<Grammar, { kind: "byte" }>, rest: Stack): Stack[] {
    switch (top.kind) {
      case "sequence":
        return [top.parts.reduceRight((tail, part) => this.push(tail, part), rest)];
      case "choice":
        return top.parts.map((part) => this.push(rest, part));
      case "rule":
        return [this.push(rest, top.resolve())];
      case "repeat": {
        if (top.max === 0) return [rest];
        const endless = top.min === 0 && top.max === Number.POSITIVE_INFINITY;
        top.less ??= endless ? top : repeat(top.part, Math.max(0, top.min - 1), top.max - 1);
        const more = this.push(this.push(rest, top.less), top.part);
        return top.min === 0 ? [rest, more] : [more];
      }
    }
  }
}

class State implements ConstraintState {
  readonly key: string;
  readonly complete: boolean;
  readonly closed: boolean;
  readonly #automaton: Automaton;
  readonly #stacks: readonly Stack[];
  readonly #next: (State | null | undefined)[] = [];

  constructor(automaton: Automaton, stacks: readonly Stack[], key: string) {
    this.#automaton = automaton;
    this.#stacks = stacks;
    this.key = key;
    this.complete = stacks.some((s) => s.top === undefined);
    this.closed = stacks.every((s) => s.top === undefined);
  }

  step(byte: number): State | undefined {
    const known = this.#next[byte];
    if (known !== undefined) return known ?? undefined;
    const rests = this.#stacks.flatMap((s) => (s.top?.kind === "byte" && s.top.allowed[byte] === 1 ? [s.rest!] : []));
    const next = rests.length === 0 ? undefined : this.#automaton.state(rests);
    this.#next[byte] = next ?? null;
    return next;
  }

  advance(text: Uint8Array): State | undefined {
    let state: State | undefined = this;
    for (const byte of text) {
      state = state.step(byte);
      if (state === undefined) return undefined;
    }
    return state;
  }
}

export type ByteState = State;

/** The state before the first byte. Throws a `UserError` for a grammar that could lead to where nothing may follow. */
export function start(grammar: Grammar): State {
  checkGrammar(grammar);
  const automaton = new Automaton();
  const state = automaton.state([automaton.push(automaton.end, grammar)]);
  assert(state !== undefined, () => "a grammar that was checked allows nothing");
  return state;
}

export const isByteState = (state: ConstraintState): state is State => state instanceof State;
