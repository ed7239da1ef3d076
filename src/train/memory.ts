/**
 * Memory of a training step as a decision: what a policy sees of a step, and what it may decide about each tensor.
 *
 *     view ─► remat: drops ─► offload: moves, encodings ─► script ─► engine ─┬─► arena (a capacity)
 *                                                                           └─► copy engine (a bandwidth)
 *
 * A step is a list of units (compiled calls), each of which reads and writes tensors. The same engine carries a plan out on a
 * device and on a modelled machine: what differs is a port.
 */
import type { Seconds } from "../time/clock.ts";

/** By their places in the view. */
export type UnitId = number;
export type TensorId = number;

/** What a reader takes from a tensor: all of it, only where it is positive, or only where a window's greatest element is. */
export type Need = "value" | "sign" | "greatest";

export interface TensorView {
  readonly name: string;
  readonly bytes: number;
  /** `undefined` for what is there before the step: parameters, optimizer state, data. */
  readonly producer: UnitId | undefined;
  /** Units that read it, in their order. */
  readonly uses: readonly UnitId[];
  /** What the backward part takes from it. */
  readonly needs: readonly Need[];
  /** It is wanted after the step. */
  readonly output: boolean;
  /** A tensor that is overwritten by the unit which makes this one, in the same place. */
  readonly replaces?: TensorId;
  /** Share of its elements that were 0 when that was last looked at; only of what a ReLU made. */
  readonly zeros?: number;
}

export interface UnitView {
  readonly name: string;
  readonly reads: readonly TensorId[];
  readonly writes: readonly TensorId[];
  /** Measured or modelled. */
  readonly seconds: Seconds;
  /** `convolution` and `product` compute much for each byte; `pool` and `other` are cheap to do again. */
  readonly kind: "convolution" | "product" | "pool" | "other";
  /** Memory that it needs while it runs. */
  readonly workspaceBytes: number;
}

export interface CopyRate {
  /** In each direction. */
  readonly bytesPerSecond: number;
  /** What a copy takes beside its bytes. */
  readonly latencySeconds: Seconds;
}

/** What a machine takes beside units and the rate of copies, measured. */
export interface MachineCosts {
  /** Of copies in a direction that was idle; by how long it was, ascending from 0. */
  readonly wakes: readonly Wake[];
  /** Of waiting for a copy for long: from its end until computing goes on. */
  readonly lateSeconds: Seconds;
  /** Bytes within the arena, beside those of each block. */
  readonly moveSeconds: Seconds;
  readonly moveSecondsPerByte: number;
  /** Bytes that another thread has copied are in its cache: what units that touch them next take more. */
  readonly touchSecondsPerByte: number;
  /** By what share of their time units are slower while copies of one direction move. */
  readonly slowdown: number;
}

/** Threads that sleep longer take longer to wake. */
export interface Wake {
  readonly idleSeconds: Seconds;
  /** What asking for a copy takes from computing. */
  readonly askSeconds: Seconds;
  /** From asking until it could end: so long even the smallest copy takes. */
  readonly startSeconds: Seconds;
}

export interface MemoryView {
  readonly units: readonly UnitView[];
  readonly tensors: readonly TensorView[];
  /** Units before this one are the forward part: the last of them makes the loss. */
  readonly turn: UnitId;
  readonly capacity: number;
  readonly copy: CopyRate;
  /** What encoding or decoding takes, for each byte of the tensor as it was. */
  readonly codecSecondsPerByte: number;
  /** Left out where nothing was measured. */
  readonly costs?: MachineCosts;
}

/** Not kept for a use after `after`: its producer runs again, and what that reads, if it was dropped too. */
export interface Drop {
  readonly tensor: TensorId;
  readonly after: UnitId;
  /** Once computed again it stays until its last use; else it goes after each. */
  readonly stays: boolean;
}

/** To the host. Its memory is free when the copy is done. */
export interface Out {
  readonly tensor: TensorId;
  readonly at: UnitId;
  /** The copy begins with the unit, which only reads it, or when the unit has ended. */
  readonly begin: "with" | "after";
  /** Computing goes on only when it is done. */
  readonly join: boolean;
}

/** Back from the host, beginning with unit `at`. What was not asked for before it is needed is fetched then. */
export interface In {
  readonly tensor: TensorId;
  readonly at: UnitId;
  /** The unit after `at` begins only when it is done. */
  readonly join: boolean;
}

/** `binary` keeps signs and windows' greatest; `csr` is sparse rows of 256; floats of 16, 10 and 8 bits lose digits. */
export type Encoding = "binary" | "csr" | "fp16" | "fp10" | "fp8";

/** From the end of unit `after` until the next use. */
export interface Encode {
  readonly tensor: TensorId;
  readonly after: UnitId;
  readonly as: Encoding;
}

export interface MemoryPlan {
  /** Every unit once, each after those whose tensors it reads. Left out: as in the view. */
  readonly order?: readonly UnitId[];
  readonly drops: readonly Drop[];
  readonly outs: readonly Out[];
  readonly ins: readonly In[];
  readonly encodings: readonly Encode[];
  /** Bytes that are set aside for a tensor, at least its own: equal sizes leave no gaps between them. */
  readonly sizes?: readonly number[];
  /** What leaves where memory does not suffice: what was not used for longest, or will not be. Left out: nothing does. */
  readonly evict?: "least-recent" | "furthest" | undefined;
}

export const keepAll: MemoryPlan = { drops: [], outs: [], ins: [], encodings: [] };

/** When a unit ran, and how long it waited before. */
export interface RunRecord {
  readonly unit: UnitId;
  readonly again: boolean;
  readonly begin: Seconds;
  readonly end: Seconds;
  /** Waiting for copies and for memory, encoding and decoding: from the end of the run before. */
  readonly waited: Seconds;
  /** Tensors whose copy back was not done when the unit wanted them, and for how long it waited. */
  readonly late: readonly { readonly tensor: TensorId; readonly seconds: Seconds }[];
}

/** What a step did. */
export interface StepRecord {
  readonly plan: MemoryPlan;
  readonly runs: readonly RunRecord[];
  readonly seconds: Seconds;
  /** At the worst moment; of tensors, without what lies free between them. */
  readonly peakBytes: number;
  /** Waiting for copies. */
  readonly stallSeconds: Seconds;
  readonly outBytes: number;
  readonly inBytes: number;
  /** Runs that repeat one. */
  readonly recomputed: number;
  readonly recomputeSeconds: Seconds;
  /** Tensors that left because memory did not suffice. */
  readonly evicted: readonly TensorId[];
  readonly encoded: readonly { readonly tensor: TensorId; readonly bytes: number }[];
  /** Moved within the arena, so that what is free lies in one piece. */
  readonly packedBytes: number;
  /** What encoding and decoding took. */
  readonly codecSeconds: Seconds;
}

/** Tensors that the forward part makes and the backward part reads: what training needs memory for. */
export const isActivation = (view: MemoryView, id: TensorId): boolean => {
  const { producer, uses } = view.tensors[id]!;
  return producer !== undefined && producer < view.turn && uses.some((u) => u >= view.turn);
};

export const activations = (view: MemoryView): readonly TensorId[] =>
  [...view.tensors.keys()].filter((id) => isActivation(view, id));

/** Everything that the forward part makes: what may be computed again, whoever reads it. */
export const forwardTensors = ({ tensors, turn }: MemoryView): readonly TensorId[] =>
  [...tensors.keys()].filter((id) => (tensors[id]!.producer ?? turn) < turn && !tensors[id]!.output);

/** The last unit of the forward part that touches an activation. */
export const lastForward = ({ tensors, turn }: MemoryView, id: TensorId): UnitId =>
  Math.max(tensors[id]!.producer ?? -1, ...tensors[id]!.uses.filter((u) => u < turn));

/** What must be in memory to have a tensor again: itself, or where it is dropped, what it is computed from. */
export function sourcesOf(view: MemoryView, dropped: ReadonlySet<TensorId>, tensor: TensorId): readonly TensorId[] {
  const found = new Set<TensorId>();
  const follow = (t: TensorId): void => {
    if (found.has(t)) return;
    found.add(t);
    if (dropped.has(t)) for (const read of view.units[view.tensors[t]!.producer!]!.reads) follow(read);
  };
  follow(tensor);
  return [...found].filter((t) => !dropped.has(t));
}

/** Its first use in the backward part. */
export const firstBackward = ({ tensors, turn }: MemoryView, id: TensorId): UnitId | undefined =>
  tensors[id]!.uses.find((u) => u >= turn);

export const copySeconds = ({ copy }: MemoryView, bytes: number): Seconds =>
  copy.latencySeconds + bytes / copy.bytesPerSecond;
