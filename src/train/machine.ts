/** What runs graphs of arrays for a training: memory, and compiled programs that are bound to it by name. */
import type { Region } from "../device/device.ts";
import { type ArrayGraph, sizeOf } from "../graph/array.ts";
import type { StateArray } from "./step.ts";

export interface ArrayProgramRun {
  /** One region for each input and output of the graph. */
  run(bindings: Readonly<Record<string, Region>>): Promise<void>;
  close(): void | Promise<void>;
}

export interface ArrayMachine {
  /** Zeroed, 64-byte aligned. */
  alloc(bytes: number): Region;
  free(region: Region): void;
  /** `donate[output]` names the input whose memory the output is written over. */
  open(graph: ArrayGraph, donate: Readonly<Record<string, string>>): ArrayProgramRun | Promise<ArrayProgramRun>;
}

/** Named memory of one machine, freed together. */
export class Regions {
  readonly #machine: ArrayMachine;
  readonly #regions = new Map<string, Region>();

  constructor(machine: ArrayMachine) {
    this.#machine = machine;
  }

  alloc(name: string, elements: number, bytesEach = 4): Region {
    const region = this.#machine.alloc(Math.max(1, elements * bytesEach));
    this.#regions.set(name, region);
    return region;
  }

  get(name: string): Region {
    return this.#regions.get(name)!;
  }

  /** The one number of a region, f32. */
  number(name: string): number {
    return floats(this.get(name), 1)[0]!;
  }

  set(name: string, value: number): void {
    floats(this.get(name), 1)[0] = value;
  }

  /** A region, f32, as a part of what a step updates. */
  state(name: string, shape: readonly number[]): StateArray {
    const bytes = (): Uint8Array => {
      const { buffer, offset } = this.get(name);
      return new Uint8Array(buffer, offset, 4 * sizeOf(shape));
    };
    return { type: "F32", shape, bytes };
  }

  /** Those of `names`, for `ArrayProgramRun.run`. */
  bindings(names: Iterable<string>): Record<string, Region> {
    return Object.fromEntries(Array.from(names, (name) => [name, this.get(name)]));
  }

  free(): void {
    for (const region of this.#regions.values()) this.#machine.free(region);
    this.#regions.clear();
  }
}

export const floats = ({ buffer, offset }: Region, elements: number): Float32Array =>
  new Float32Array(buffer, offset, elements);

export const integers = ({ buffer, offset }: Region, elements: number): Int32Array =>
  new Int32Array(buffer, offset, elements);
