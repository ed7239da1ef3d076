/**
 * Jobs, as a user submits them, as a trace records them, and as a policy sees them.
 *
 *     JobSpec (never changes) ──► engine: state, places, service ──► JobView (what a policy may know)
 */
import type { Seconds } from "../time/clock.ts";
import type { Share } from "./node.ts";

export type JobId = string;

/** Seconds of one iteration by the resource that is busy, at the size that was asked for (Muri, §3). */
export interface Phases {
  readonly storage: Seconds;
  readonly cpu: Seconds;
  readonly gpu: Seconds;
  readonly network: Seconds;
}

export interface JobSpec {
  readonly id: JobId;
  /** Seconds since the trace began. */
  readonly submit: Seconds;
  /** The gang: all of these GPUs at once, or none. 0 for a job of CPUs alone. */
  readonly gpus: number;
  /** GPUs of each of its tasks; a task is on one node. Absent where any split of the gang will do. */
  readonly taskGpus?: number;
  /** The pinned cell that it must have (HiveD). */
  readonly cell?: string;
  /** Elastic range, both included; absent where the job runs on `gpus` and nothing else. */
  readonly range?: { readonly min: number; readonly max: number };
  /** Seconds that it runs alone on `gpus` GPUs of the type it was measured on; absent where nobody knows. */
  readonly duration?: Seconds;
  /** Seconds that it was said to run when it was submitted, where a trace tells it apart from how long it ran. */
  readonly estimate?: Seconds;
  /** Iterations or steps in whole, where the trace counts them. */
  readonly iterations?: number;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** Types of node it can run on; absent for all. */
  readonly types?: readonly string[];
  readonly tenant: string;
  /** For reports and filters: "vision", "speech", a queue's name. */
  readonly class?: string;
  /** For example "resnet50"; names its line in a table of throughputs. */
  readonly model?: string;
  /** Examples a step, over all GPUs. */
  readonly batch?: number;
  /** Higher goes first where a policy looks at it; below 0 it is opportunistic, and has no share that is its own. */
  readonly priority: number;
  /** Share of its tenant or job in fair policies. */
  readonly weight: number;
  /** Seconds since the trace began. */
  readonly deadline?: Seconds;
  readonly phases?: Phases;
  /** Part of the time that its GPUs compute while it has them alone: what jobs that share them are modelled by. */
  readonly utilisation?: number;
  /** What a real launcher runs; `{}` where the trace names nothing. */
  readonly command?: readonly string[];
}

/**
 * `waiting`: never started, or preempted. `stopping`: it waits too, and may be started again, but has not left its GPUs yet: they
 * count as free, and who starts on them waits until it has left. `starting`: has places, but does not compute yet.
 */
export type JobState = "waiting" | "starting" | "running" | "stopping" | "finished" | "failed" | "rejected";

/**
 * What is known or estimated of a job's progress: from a profile, a trace that knows the future, or the job's own reports. A policy
 * that needs it says so in `differs` or `idea`, since real clusters often lack it.
 */
export interface Outlook {
  /** Work done and in whole, in the job's own unit (iterations, epochs, seconds alone). */
  readonly done: number;
  readonly total: number;
  /** Units a second on `gpus` GPUs over `nodes` nodes of `type`, alone; 0 where it cannot run. */
  rate(gpus: number, nodes: number, type: string): number;
  /** Units a second while it shares the same GPUs with `other`; absent where nobody measured it. */
  rateBeside?(other: JobId, gpus: number, type: string): number;
  /**
   * Useful work a second that the job expects of so many GPUs over so many nodes at its best batch size, by what it has measured
   * itself; absent until it has run (Pollux's agent).
   */
  goodput?(gpus: number, nodes: number): number;
  /** Fewest GPUs that it can run on; any number, unless given. */
  readonly gpusMin?: number;
  /** Most GPUs that it can use; of a job that explores, that it dares to ask for now. */
  readonly gpusMax?: number;
  /** Part of the time that its GPUs compute while it has them alone, as measured; absent until it has run. */
  readonly utilisation?: number | undefined;
  /** Seconds in which it made progress until now, without what starts and checkpoints took; absent where nobody counts them. */
  readonly computed?: Seconds;
  /** The same of its last lease alone, where the launcher runs jobs in leases. */
  readonly lease?: Seconds;
  /** Absent where the batch size does not change, or nobody profiled what it changes to. */
  readonly regimes?: Regimes;
  /** Absent where the job reports none. */
  readonly loss?: TrainingLoss | undefined;
}

export interface TrainingLoss {
  /** As the job last reported it. */
  readonly value: number;
  /** The decrease a unit of work below which its owner calls it converged (Optimus). */
  readonly slope: number;
}

/** A job whose batch size changes while it trains, as it was profiled: one entry an epoch, in order. */
export interface Regimes {
  readonly done: number;
  readonly batches: readonly number[];
  readonly seconds: readonly Seconds[];
}

/** A job to a policy. Getters are computed when read: a view is cheap, and is true only during the decision it was given for. */
export interface JobView {
  readonly spec: JobSpec;
  readonly state: JobState;
  /** GPUs to give it now: what scaling decided, else what was asked for. */
  readonly gpus: number;
  /** Where it runs; empty while it waits. */
  readonly places: readonly Share[];
  /** Jobs that run on the same GPUs. */
  readonly beside: readonly JobId[];
  /** Attained service until now, GPU-seconds. */
  readonly service: number;
  /** Seconds spent running until now, restarts included. */
  readonly ran: Seconds;
  /** Seconds since submission that it did not run. */
  readonly waited: Seconds;
  /** When it started the last time; absent before the first. */
  readonly startedAt?: Seconds | undefined;
  /** When it was last made to wait: its submission or its last preemption. */
  readonly waitingSince: Seconds;
  /** Its place among those that wait, or among those that run, in the order of `ClusterView`: lower is earlier. */
  readonly turn: number;
  /** Starts after the first. */
  readonly restarts: number;
  readonly outlook?: Outlook | undefined;
}
