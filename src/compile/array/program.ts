/** What a graph of arrays is compiled to: kernels, the calls that make up a run, and the buffers between them. */
import type { NodeId } from "../../graph/ir.ts";
import type { Target, TileProgram } from "../tile.ts";

export type ArrayArgument =
  | { readonly kind: "buffer"; readonly id: number; readonly written: boolean; readonly offset?: number }
  | { readonly kind: "number"; readonly value: number };

export interface ArrayCall {
  /** What it does, for people. */
  readonly label: string;
  readonly kernel: number;
  /** Nodes of the graph that it computes: nodes that stand for parts of others are named by those. */
  readonly nodes: readonly NodeId[];
  readonly args: readonly ArrayArgument[];
  readonly items: number;
  /** Buffers that it reads only where, element by element, it writes: they may be the one that it writes. */
  readonly inPlace?: readonly number[];
}

export interface ArrayMemory {
  readonly bytes: number;
  /** The node whose array it holds; none for memory between the calls of one operation. */
  readonly node?: NodeId;
  /** Where it is bound by the caller: the name of an input or output. */
  readonly input?: string;
  readonly output?: string;
}

/** `K` is what stands for a kernel: its tile program, or what a device rendered of it. */
export interface ArrayProgram<K = TileProgram> {
  readonly target: Target;
  readonly kernels: readonly K[];
  /** In an order in which each follows what it reads. */
  readonly calls: readonly ArrayCall[];
  readonly buffers: readonly ArrayMemory[];
  /** Buffers by name. */
  readonly inputs: Readonly<Record<string, number>>;
  readonly outputs: Readonly<Record<string, number>>;
  /** Of each thread. */
  readonly scratchBytes: number;
}
