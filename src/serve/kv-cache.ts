/**
 * The key-value cache: which blocks hold which positions of which sequence, and who gives way when they run out.
 *
 * Position p of a sequence lives in `table[floor(p / blockSize)]`. The engine counts references, checks every decision and
 * carries it out; a policy sees the counts and answers with block numbers.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { kvCacheIndex } from "./kv-cache.index.ts";

export interface CacheView {
  readonly blockSize: number;
  /** Tables that hold each block; 0 is free. */
  readonly references: readonly number[];
  /** Free blocks that hold nothing, longest free first. */
  readonly empty: ReadonlySet<number>;
  /** Free blocks whose content may be found by its hash, least recently used first. */
  readonly cached: ReadonlyMap<number, string>;
  /** Blocks by the hash of the prompt up to and including them. */
  readonly published: ReadonlyMap<string, number>;
  /** Free blocks of the swap arena. */
  readonly slotsFree: number;
}

export interface RequestNeed {
  readonly id: number;
  readonly promptTokens: number;
  readonly tokensMax: number;
  readonly choices: number;
  /** Tokens of its longest sequence: more than the prompt when it was preempted. */
  readonly length: number;
  /** Chained hashes of the prompt's whole blocks. */
  readonly hashes: readonly string[];
}

export interface Admission {
  /** The first blocks of each choice's table. */
  readonly tables: readonly (readonly number[])[];
  /** How many of the first blocks of choice 0 are shared, their positions being computed already. */
  readonly sharedBlocks: number;
}

export interface SequenceNeed {
  readonly table: readonly number[];
  /** Positions below are computed; positions from here up to `until` will be written. */
  readonly computed: number;
  readonly until: number;
}

export interface Copy {
  /** Place in the table. */
  readonly index: number;
  /** A free block that takes the content and the place of the one there. */
  readonly to: number;
}

export interface Growth {
  /** Free blocks to append to the table. */
  readonly take: readonly number[];
  readonly copies: readonly Copy[];
}

export interface ForkNeed {
  /** The table in which the prompt was computed. */
  readonly table: readonly number[];
  readonly computed: number;
  /** Tables of the choices that will share the prompt. */
  readonly siblings: readonly (readonly number[])[];
}

/** For each sibling: share these blocks as its table, or copy blocks into the table it has. */
export interface Fork {
  readonly share: readonly number[];
  readonly copies: readonly { readonly from: number; readonly to: number }[];
}

export interface VictimView {
  readonly id: number;
  /** Different blocks in the tables of its sequences. */
  readonly blocks: number;
}

export interface Preemption {
  readonly request: number;
  readonly how: "recompute" | "swap";
}

export interface KvCache {
  /** True where computed blocks of prompts are published under their hashes. */
  readonly sharesPrefixes: boolean;
  /**
   * Blocks that the request may come to hold if it runs alone: more than there are can never be served. More tokens never
   * need fewer.
   */
  blocksMax(need: RequestNeed, blockSize: number): number;
  /** Blocks with which a request begins; `undefined`: it must wait. `alone` when nothing else is running. */
  admit(view: CacheView, need: RequestNeed, alone: boolean): Admission | undefined;
  /** Blocks so that a sequence may write up to `until`; `undefined`: there are too few. */
  grow(view: CacheView, need: SequenceNeed): Growth | undefined;
  /** Tables of the choices once the prompt is computed, one for each sibling. */
  fork(view: CacheView, need: ForkNeed): readonly Fork[];
  /** Blocks for a request that was swapped out and held `blocks`; `undefined`: it must wait. */
  restore(view: CacheView, blocks: number, alone: boolean): readonly number[] | undefined;
  /** Who gives way so that request `needy` can grow, of those running, oldest first. It may be itself. */
  preempt(view: CacheView, running: readonly VictimView[], needy: number): Preemption;
}

export const kvCaches = slot<KvCache>("serve/kv-cache", kvCacheIndex);

/** Types an entry, and returns it unchanged. */
export const kvCache = <const O extends Options>(entry: Entry<KvCache, O>): Entry<KvCache, O> => entry;

export const blocksFor = (positions: number, blockSize: number): number => Math.ceil(positions / blockSize);
