/** An operation on arrays as calls of kernels, one after the other. */
import type { TileProgram } from "../tile.ts";

export interface LoweredCall {
  readonly program: TileProgram;
  readonly items: number;
  /** Which addresses the program's parameters are: the operation's inputs from 0 on, then its output, then temporaries. */
  readonly args: readonly number[];
}

export interface Lowered {
  readonly calls: readonly LoweredCall[];
  /** Bytes of each temporary. What it holds before the first call does not matter, nor what it holds after the last. */
  readonly temporaries: readonly number[];
  /** Bytes of scratch that each thread needs. */
  readonly scratchBytes: number;
}
