/**
 * The engine's log: every event that changed something, every decision, and every start that had to wait for GPUs. Replayed, its
 * events and the times of its decisions must give the same decisions; metrics and `why` are read from it afterwards.
 */
import type { Seconds } from "../time/clock.ts";
import type { JobId } from "./job.ts";
import type { ClusterEvent } from "./launcher.ts";
import type { NodeSpec, Share } from "./node.ts";

/** How the engine was set up: what a replay needs to set up another. */
export interface LogHeader {
  readonly kind: "header";
  /** As it was asked for, for example "tiresias+hived". */
  readonly policy: string;
  /** By the slot's path, the entry's id; and options by the entry's id. */
  readonly slots: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** GPU-seconds that jobs of an older trace took, where the policy was told. */
  readonly history?: readonly number[];
  readonly nodes: readonly NodeSpec[];
  readonly roundSeconds?: Seconds;
}

export interface StartLine {
  readonly job: JobId;
  readonly on: readonly Share[];
  readonly beside: readonly JobId[];
  /** Its GPUs are still held: a line `launched` follows when they are not. */
  readonly later: boolean;
}

export interface DecisionLine {
  readonly at: Seconds;
  readonly kind: "decided";
  /** Jobs that leave their GPUs, evicted ones included. Those that are moved start again in the same line. */
  readonly stop: readonly JobId[];
  readonly start: readonly StartLine[];
  /** Chosen to start, and not placed. */
  readonly unplaced: readonly JobId[];
  readonly reject: readonly JobId[];
  /** Jobs that wait afterwards, and GPUs that are free. */
  readonly waiting: number;
  readonly free: number;
}

/** `at` is when the engine learned of it or acted; `event.at` when it happened. */
export type LogLine =
  | { readonly at: Seconds; readonly kind: "event"; readonly event: ClusterEvent }
  /** A job that could never run on these nodes, whatever the policy. */
  | { readonly at: Seconds; readonly kind: "refused"; readonly job: JobId; readonly why: string }
  /** A job whose runs failed as often as the engine bears. */
  | { readonly at: Seconds; readonly kind: "given-up"; readonly job: JobId }
  | { readonly at: Seconds; readonly kind: "launched"; readonly job: JobId; readonly attempt: number }
  | DecisionLine;
