/** Nodes: what a cluster is made of, and an index of what is free, which stays fast with 10,000 of them. */

import type { CellFile } from "./cell/config.ts";

export interface NodeSpec {
  readonly id: string;
  /** For example "v100". All GPUs of a node are of one type. */
  readonly type: string;
  readonly gpus: number;
  /** What it is a part of, where GPUs of several types are in one machine: those of each type are a node. */
  readonly machine?: string;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** From the outside in, for example ["pod0", "rack3"]: nodes with a longer common prefix are closer. */
  readonly topology?: readonly string[];
  /** Set on the first node, and said of all: how their GPUs are divided into cells, and who owns these (HiveD), as a file has it. */
  readonly cells?: CellFile;
}

/** So many GPUs of the node with that index. */
export interface Share {
  readonly node: number;
  readonly gpus: number;
  /** Which of them, where the policy or the launcher cares (a cell of HiveD, `CUDA_VISIBLE_DEVICES`). */
  readonly devices?: readonly number[];
}

export function gpusIn(of: readonly { readonly gpus: number }[]): number {
  let sum = 0;
  for (const { gpus } of of) sum += gpus;
  return sum;
}

/** Whether these are as many GPUs of the same nodes, in one order. */
export function isSame(a: readonly Share[], b: readonly Share[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i]!.node !== b[i]!.node || a[i]!.gpus !== b[i]!.gpus) return false;
  return true;
}

/** Whether a job that can run on these types, on any where they are absent, can run on this one. */
export const allows = (types: readonly string[] | undefined, type: string): boolean => types?.includes(type) !== false;

/** What a policy sees of the nodes. Indexes are into `specs`. */
export interface NodesView {
  readonly specs: readonly NodeSpec[];
  /** Types that occur, in the order of their first node. */
  readonly types: readonly string[];
  /** Not lost and not drained. */
  usable(node: number): boolean;
  /** Free GPUs of a node; 0 where it is not usable. */
  free(node: number): number;
  freeCpus(node: number): number;
  freeMemory(node: number): number;
  /** GPUs of all usable nodes, or of those of one type. */
  total(type?: string): number;
  freeTotal(type?: string): number;
  /** Usable nodes that have exactly so many free GPUs, of one type where it is given, by index ascending. */
  withFree(gpus: number, type?: string): Iterable<number>;
  /** Most GPUs of any node. */
  readonly gpusMax: number;
}
