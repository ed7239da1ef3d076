/** The port between the engine and what really runs jobs: processes of this machine, Slurm, Kubernetes, Ray, or a model of them. */
import type { Seconds } from "../time/clock.ts";
import type { JobId, JobSpec, Outlook } from "./job.ts";
import type { Share } from "./node.ts";

/** One run of a job between a start and its end. `attempt` counts from 0: a launcher uses it to run nothing twice. */
export interface Run {
  readonly job: JobSpec;
  readonly attempt: number;
  readonly places: readonly Share[];
  /** Jobs on the same GPUs. */
  readonly beside: readonly JobId[];
}

/**
 * What happened, at the time it happened. Reports may come late, twice, or after a restart of the scheduler: `attempt` says which run
 * they are of, and the engine ignores what it knows.
 */
export type ClusterEvent =
  | { readonly kind: "submitted"; readonly at: Seconds; readonly job: JobSpec }
  | { readonly kind: "cancelled"; readonly at: Seconds; readonly job: JobId }
  | { readonly kind: "started"; readonly at: Seconds; readonly job: JobId; readonly attempt: number }
  /** It has saved its state and left, as it was asked to. */
  | { readonly kind: "stopped"; readonly at: Seconds; readonly job: JobId; readonly attempt: number }
  | { readonly kind: "finished"; readonly at: Seconds; readonly job: JobId; readonly attempt: number }
  /** It ended by itself and not well: started again from its checkpoint, up to the engine's limit. */
  | {
      readonly kind: "failed";
      readonly at: Seconds;
      readonly job: JobId;
      readonly attempt: number;
      readonly why: string;
    }
  /** All leases have ended, of a launcher that runs jobs in leases of one round: those that go on are asked for again. */
  | { readonly kind: "round"; readonly at: Seconds }
  | { readonly kind: "node-lost"; readonly at: Seconds; readonly node: number }
  | { readonly kind: "node-back"; readonly at: Seconds; readonly node: number };

export interface Launcher {
  /** Begins a run; reports `started`, and later how it ended. Never throws for a job's own fault: that is `failed`. */
  start(run: Run): void;
  /**
   * Asks a run to checkpoint and leave; reports `stopped`, or `finished` if it was done before it heard, and always one of them:
   * nobody gets its GPUs before that. Runs on a node that was lost are stopped too, so that no job ever runs twice.
   */
  stop(job: JobId, attempt: number): void;
  /** Reports all that has happened up to now; called before the engine decides, by launchers that work in rounds. */
  settle?(now: Seconds): void;
  /** What is known of a job's progress, before its first run too, for policies that use it. */
  outlook?(job: JobSpec): Outlook | undefined;
}
