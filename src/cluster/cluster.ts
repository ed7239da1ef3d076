/**
 * A cluster that is there: what the engine drives through `Launcher`, and what a scheduler that starts again asks about the truth.
 *
 *     engine ──► start, stop ──► processes, Slurm, Kubernetes, Ray ──► reports (as often as they like; the engine knows what is new)
 */
import type { JobId } from "./job.ts";
import type { ClusterEvent, Launcher, Run } from "./launcher.ts";
import type { NodeSpec } from "./node.ts";

type Untimed<E> = E extends unknown ? Omit<E, "at"> : never;

/** An event without its time: whoever drives the engine says what time it is. */
export type Report = (event: Untimed<ClusterEvent>) => void;

/** A run as the scheduler knew it when it ended: begun or about to begin, perhaps asked to leave. */
export interface Belief {
  readonly run: Run;
  readonly stopping: boolean;
}

/** What a run executes. */
export interface Task {
  readonly argv: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ClusterSetup {
  /** Holds a folder for each job: its claims, its checkpoints, its output. On what all nodes share, where there are several. */
  readonly folder: string;
  /** Unique to this scheduler's state; names its runs on a cluster that others use too. */
  readonly id: string;
  /** Nodes to make, for launchers that make them; others find theirs. */
  readonly nodes?: readonly NodeSpec[];
  task(run: Run): Task;
  readonly report: Report;
  readonly warn: (line: string) => void;
  /** As given by `--set name=value`. */
  readonly options: Readonly<Record<string, string>>;
}

export interface Cluster extends Launcher {
  /** As they were found or made; events name them by index. */
  readonly nodes: readonly NodeSpec[];
  /**
   * Called once, before any start: begins to watch and to report. Every run that the scheduler believes in is found, and begun
   * where it is not there; runs that it does not believe in are ended.
   */
  adopt(beliefs: readonly Belief[]): Promise<void>;
  /** Ends watching; with `leave` the jobs run on, and the next scheduler adopts them. */
  close(jobs: "leave" | "stop"): Promise<void>;
}

export type OpenCluster = (setup: ClusterSetup) => Promise<Cluster>;

/** Identifies a run in file names, job names and records. */
export const runKey = (job: JobId, attempt: number): string => `${job}/${attempt}`;
