/**
 * How long tiles of a matrix product take on a device: all tiles of a measurement in turns, so that what disturbs one disturbs
 * the others, and of each the least, since a disturbance only ever makes it slower. Weights are read from memory, as in a
 * step: each run goes on to the next copy of a matrix, or the next part of a large one.
 */
import { panelRows } from "../compile/block-format.ts";
import { rowFloats, weightLayout } from "../compile/layout.ts";
import { activationBytes, lowerLinear } from "../compile/lower/linear.ts";
import type { LinearTile } from "../compile/schedule/linear.ts";
import type { LinearTask, Space } from "../compile/schedule/space.ts";
import type { Seconds } from "../time/clock.ts";
import { callList, chunkOf } from "./call-list.ts";
import type { Device, Region } from "./device.ts";

/** Several times the last-level cache of most machines. */
const weightBytes = 160 << 20;
/** A run computes about so much, so that it lasts some milliseconds on a fast machine. */
const operationsWanted = 4e8;
/** Scales of 1 in halves, and small numbers in f32: nothing that arithmetic is slow with. */
const filling = 0x3c003c00;

export class TileBench {
  readonly #device: Device;
  readonly #weights: Region;
  readonly #regions = new Map<string, Region>();
  /** Where in the weights the next run begins, so that it finds none of them in a cache. */
  #next = 0;

  constructor(device: Device) {
    this.#device = device;
    this.#weights = device.alloc(weightBytes);
    new Uint32Array(this.#weights.buffer, this.#weights.offset, weightBytes / 4).fill(filling);
  }

  /** Seconds of each tile for all the space's numbers of tokens, one after the other; the least of `rounds`. */
  async measure({ task }: Space, tiles: readonly LinearTile[], rounds: number): Promise<Seconds[]> {
    const handles = this.#device.install(
      tiles.map((tile) => lowerLinear(task.target, task.format, { ...task, bias: false }, { cases: [], rest: tile })),
    );
    const seconds = tiles.map(() => 0);
    for (const tokens of task.tokens) {
      const least = tiles.map(() => Number.POSITIVE_INFINITY);
      for (let round = 0; round < rounds; round++) {
        for (const [i, handle] of handles.entries()) {
          least[i] = Math.min(least[i]!, await this.#run(handle, task, tokens));
        }
      }
      for (const [i, s] of least.entries()) seconds[i]! += s;
    }
    return seconds;
  }

  /** Seconds of one product, from a run of several. */
  async #run(handle: number, task: LinearTask, tokens: number): Promise<Seconds> {
    const { panels, panelBytes } = weightLayout(task.format, task.n, task.k);
    const items = Math.min(panels, Math.floor(weightBytes / panelBytes));
    const operations = 2 * items * panelRows * task.k * tokens;
    const inMemory = Math.floor(weightBytes / (items * panelBytes));
    const runs = Math.max(1, Math.min(runsMax, inMemory, Math.ceil(operationsWanted / operations)));
    const x = this.#filled("x", activationBytes(task.format, task.k, task.target) * tokens + 4096);
    const out = this.#region("out", rowFloats(task.n) * 4 * tokens);
    const calls = Array.from({ length: runs }, () => {
      if (this.#next + items * panelBytes > weightBytes) this.#next = 0;
      const args = [this.#weights.address + this.#next, x.address, tokens, out.address];
      this.#next += Math.ceil((items * panelBytes) / 64) * 64;
      return { kernel: handle, args, items, chunk: chunkOf(this.#device, items), barrier: true };
    });
    const list = callList(this.#device, calls);
    const began = performance.now();
    await list.run();
    const seconds = (performance.now() - began) / 1000;
    list.close();
    // Of a part of a matrix the whole is as much longer as it is larger.
    return ((seconds / runs) * panels) / items;
  }

  #region(name: string, bytes: number): Region {
    const known = this.#regions.get(name);
    if (known !== undefined && known.bytes >= bytes) return known;
    if (known !== undefined) this.#device.free(known);
    const region = this.#device.alloc(bytes);
    this.#regions.set(name, region);
    return region;
  }

  #filled(name: string, bytes: number): Region {
    const before = this.#regions.get(name);
    const region = this.#region(name, bytes);
    if (region !== before) new Uint32Array(region.buffer, region.offset, Math.floor(region.bytes / 4)).fill(filling);
    return region;
  }

  close(): void {
    for (const region of [...this.#regions.values(), this.#weights]) {
      this.#device.free(region);
    }
  }
}

/** Products of one run. */
const runsMax = 256;
