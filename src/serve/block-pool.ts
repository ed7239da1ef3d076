/**
 * Blocks of the cache and slots of the swap arena, counted by reference. Mechanism only: which block is taken is decided by
 * a kv-cache policy and checked here.
 */
import { assert } from "../core/errors.ts";
import type { CacheView } from "./kv-cache.ts";

export class BlockPool implements CacheView {
  readonly blockSize: number;
  readonly references: number[];
  readonly empty = new Set<number>();
  readonly cached = new Map<number, string>();
  readonly published = new Map<string, number>();
  readonly #hashes: (string | undefined)[];
  readonly #slots: number[];
  readonly #policy: string;
  readonly slots: number;

  constructor(sizes: { blocks: number; blockSize: number; swapBlocks: number }, policy: string) {
    this.blockSize = sizes.blockSize;
    this.references = new Array<number>(sizes.blocks).fill(0);
    this.#hashes = new Array<string | undefined>(sizes.blocks).fill(undefined);
    for (let block = 0; block < sizes.blocks; block++) this.empty.add(block);
    this.slots = sizes.swapBlocks;
    this.#slots = Array.from({ length: sizes.swapBlocks }, (_, i) => sizes.swapBlocks - 1 - i);
    this.#policy = policy;
  }

  get blocks(): number {
    return this.references.length;
  }

  get slotsFree(): number {
    return this.#slots.length;
  }

  /** Blocks in some table. */
  get used(): number {
    return this.blocks - this.empty.size - this.cached.size;
  }

  /** Takes a free block for one table; what it held is forgotten. */
  take(block: number): void {
    assert(this.references[block] === 0, () => `${this.#policy} took block ${block}, which is not free`);
    const hash = this.cached.get(block);
    if (hash !== undefined) {
      this.cached.delete(block);
      this.published.delete(hash);
      this.#hashes[block] = undefined;
    }
    this.empty.delete(block);
    this.references[block] = 1;
  }

  /** One more table holds `block`, which is held already or was published. */
  share(block: number): void {
    const count = this.references[block];
    assert(
      count !== undefined && (count > 0 || this.cached.has(block)),
      () => `${this.#policy} shared block ${block}, which holds nothing`,
    );
    this.cached.delete(block);
    this.references[block] = count + 1;
  }

  release(block: number): void {
    const count = this.references[block]!;
    assert(count > 0, () => `block ${block} was released, but no table holds it`);
    this.references[block] = count - 1;
    if (count > 1) return;
    const hash = this.#hashes[block];
    if (hash === undefined) this.empty.add(block);
    else this.cached.set(block, hash);
  }

  /** Makes a whole computed block findable. Where an equal one is, that one stays. */
  publish(block: number, hash: string): void {
    if (this.published.has(hash) || this.#hashes[block] !== undefined) return;
    this.published.set(hash, block);
    this.#hashes[block] = hash;
  }

  takeSlot(): number {
    const slot = this.#slots.pop();
    assert(slot !== undefined, () => `${this.#policy} swapped out more blocks than the arena holds`);
    return slot;
  }

  releaseSlot(slot: number): void {
    assert(!this.#slots.includes(slot), () => `slot ${slot} was released twice`);
    this.#slots.push(slot);
  }

  /** Fails unless the books balance: `tables` are all tables there are, `slots` all slots in use. */
  check(tables: Iterable<readonly number[]>, slots: readonly number[]): void {
    const counts = new Array<number>(this.blocks).fill(0);
    for (const table of tables) for (const block of table) counts[block]!++;
    for (const [block, count] of counts.entries()) {
      const held = this.references[block];
      assert(held === count, () => `block ${block} has ${held} references, but ${count} tables hold it`);
      const free = Number(this.empty.has(block)) + Number(this.cached.has(block));
      assert(free === (count === 0 ? 1 : 0), () => `block ${block}, held by ${count}, is on ${free} free lists`);
    }
    for (const [hash, block] of this.published) {
      assert(this.#hashes[block] === hash, () => `block ${block} is published under a hash that is not its own`);
    }
    const total = slots.length + this.#slots.length;
    assert(total === this.slots, () => `${total} slots of ${this.slots} are accounted for`);
  }
}
