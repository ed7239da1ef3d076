/**
 * Memory of tensors on a device, taken and given back many times a step: freed blocks are kept by rounded size and used
 * again, small ones are cut from slabs, so that a step that repeats asks the system for nothing.
 */
import type { Region } from "../device/device.ts";

/** What gives memory: a device. */
export interface MemorySource {
  alloc(bytes: number): Region;
  free(region: Region): void;
}

const slabBytes = 1 << 20;
const smallMax = 1 << 16;

/** Up to an eighth more than was asked for, and at least a cache line. */
export function roundedBytes(bytes: number): number {
  if (bytes <= 64) return 64;
  const step = Math.max(64, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}

export interface MemoryUse {
  /** Held by tensors, rounded sizes. */
  readonly liveBytes: number;
  readonly liveBlocks: number;
  /** Taken from the device: live, kept for later, and what is left of slabs. */
  readonly reservedBytes: number;
}

export class Pool {
  readonly #source: MemorySource;
  readonly #kept = new Map<number, Region[]>();
  readonly #taken: Region[] = [];
  #slab: { readonly region: Region; used: number } | undefined;
  #liveBytes = 0;
  #liveBlocks = 0;
  #reservedBytes = 0;

  constructor(source: MemorySource) {
    this.#source = source;
  }

  /** At least `bytes`, aligned to a cache line; what it holds is undefined. */
  take(bytes: number): Region {
    const size = roundedBytes(bytes);
    const region = this.#kept.get(size)?.pop() ?? this.#fresh(size);
    this.#liveBytes += size;
    this.#liveBlocks += 1;
    return region;
  }

  give(region: Region): void {
    const list = this.#kept.get(region.bytes);
    if (list === undefined) this.#kept.set(region.bytes, [region]);
    else list.push(region);
    this.#liveBytes -= region.bytes;
    this.#liveBlocks -= 1;
  }

  get use(): MemoryUse {
    return { liveBytes: this.#liveBytes, liveBlocks: this.#liveBlocks, reservedBytes: this.#reservedBytes };
  }

  /** Returns everything to the device: nothing that was taken may be used any more. */
  close(): void {
    for (const region of this.#taken.splice(0)) this.#source.free(region);
    this.#kept.clear();
    this.#slab = undefined;
  }

  #fresh(size: number): Region {
    if (size > smallMax) return this.#reserve(size);
    if (this.#slab === undefined || this.#slab.used + size > slabBytes)
      this.#slab = { region: this.#reserve(slabBytes), used: 0 };
    const { region, used } = this.#slab;
    this.#slab.used += size;
    return {
      address: region.address + used,
      bytes: size,
      buffer: region.buffer,
      offset: region.offset + used,
    };
  }

  #reserve(bytes: number): Region {
    const region = this.#source.alloc(bytes);
    this.#taken.push(region);
    this.#reservedBytes += bytes;
    return { address: region.address, bytes, buffer: region.buffer, offset: region.offset };
  }
}

/** The elements of one or more tensors (a reshaped tensor shares them), counted. */
export class Storage {
  readonly region: Region;
  readonly #pool: Pool;
  /** Counts what was written over the elements, so that a backward pass can tell that what it saved has changed. */
  version = 0;
  #references = 1;

  constructor(pool: Pool, bytes: number) {
    this.#pool = pool;
    this.region = pool.take(bytes);
  }

  share(): Storage {
    this.#references += 1;
    return this;
  }

  get isShared(): boolean {
    return this.#references > 1;
  }

  release(): void {
    this.#references -= 1;
    if (this.#references === 0) this.#pool.give(this.region);
  }
}
