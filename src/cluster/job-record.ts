/**
 * What the engine keeps of a job, which is also the view that policies get: what changes with time is computed when it is read.
 *
 * A job has a place in the plan (`group`) and a run in the world (`run`); the two differ while one run is on its way out and the
 * next waits for it.
 */
import type { Seconds } from "../time/clock.ts";
import type { JobId, JobSpec, JobState, JobView, Outlook } from "./job.ts";
import type { JobList } from "./job-list.ts";
import type { Share } from "./node.ts";
import type { Size } from "./scaling.ts";

/** Jobs that hold the same GPUs. They are taken by the first, and given back when the last has left. */
export interface Group {
  readonly places: readonly Share[];
  /** In the plan. */
  readonly members: JobRecord[];
  /** The member that placement knows to be on these GPUs: it chose them for it, or was told. */
  owner: JobRecord;
  /** Runs that really are there, those on their way out included. */
  present: number;
}

/** A run that the launcher was asked for and that has not ended. */
export interface LiveRun {
  readonly attempt: number;
  readonly group: Group;
  readonly gpus: number;
  readonly since: Seconds;
  started: boolean;
  stopping: boolean;
}

/** What scaling answered. */
export interface Sizes {
  readonly named: ReadonlyMap<JobId, Size>;
  /** What the others have: what they had or asked for, nothing, or what they hold, which is nothing where they wait. */
  readonly unnamed: "kept" | "nothing" | "held";
  /** Its number, from 1 on; 0 before it was asked. */
  readonly answer: number;
}

/** What views of one engine share: the time of the decision, and what scaling answered. */
export interface Moment {
  now: Seconds;
  sizes: Sizes;
  /** Jobs that ask for no GPUs, until they end. */
  readonly gpuless: Set<JobRecord>;
  outlook(job: JobSpec): Outlook | undefined;
}

const nowhere: readonly Share[] = [];
const nobody: readonly JobId[] = [];

export class JobRecord implements JobView {
  readonly spec: JobSpec;
  readonly #moment: Moment;
  readonly #submitted: Seconds;
  list: JobList | undefined;
  before: JobRecord | undefined;
  after: JobRecord | undefined;
  turn = 0;
  group: Group | undefined;
  run: LiveRun | undefined;
  outcome: "finished" | "failed" | "rejected" | undefined;
  places: readonly Share[] = nowhere;
  /** In the plan; 0 while it waits. */
  held = 0;
  launches = 0;
  failures = 0;
  /** What the decision that was checked last asks of it; see `check-decision.ts`. */
  asked = 0;
  /** It waits for GPUs that are still held; see `occupancy.ts`. */
  queued = false;
  waitingSince: Seconds;
  /** Which answer of scaling's somebody asked for last, and this job's part of it. */
  #answer = 0;
  #size: Size | undefined;
  #startedAt: Seconds | undefined;
  #ran: Seconds = 0;
  #service = 0;

  constructor(spec: JobSpec, submitted: Seconds, moment: Moment) {
    this.spec = spec;
    this.#submitted = submitted;
    this.waitingSince = submitted;
    this.#moment = moment;
    if (spec.gpus === 0) moment.gpuless.add(this);
  }

  get state(): JobState {
    if (this.outcome !== undefined) return this.outcome;
    if (this.group === undefined) return this.run === undefined ? "waiting" : "stopping";
    return this.run?.started && !this.run.stopping ? "running" : "starting";
  }

  get gpus(): number {
    const { named, unnamed, answer } = this.#moment.sizes;
    if (this.#answer !== answer) {
      this.#answer = answer;
      this.#size = named.size === 0 ? undefined : named.get(this.spec.id);
    }
    if (this.#size !== undefined) return this.#size.gpus;
    // Who has ended is asked for what it once wanted.
    if (unnamed !== "kept" && this.outcome === undefined) return unnamed === "held" ? this.held : 0;
    return this.group === undefined ? this.spec.gpus : this.held;
  }

  get beside(): readonly JobId[] {
    if (this.group === undefined || this.group.members.length === 1) return nobody;
    return this.group.members.filter((other) => other !== this).map((other) => other.spec.id);
  }

  get service(): number {
    const { run } = this;
    return run === undefined ? this.#service : this.#service + run.gpus * Math.max(0, this.#moment.now - run.since);
  }

  get ran(): Seconds {
    return this.run === undefined ? this.#ran : this.#ran + Math.max(0, this.#moment.now - this.run.since);
  }

  get waited(): Seconds {
    return this.#moment.now - this.#submitted - this.ran;
  }

  get startedAt(): Seconds | undefined {
    return this.#startedAt;
  }

  get restarts(): number {
    return Math.max(0, this.launches - 1);
  }

  get outlook(): Outlook | undefined {
    return this.#moment.outlook(this.spec);
  }

  begin(run: LiveRun): void {
    this.run = run;
    this.launches++;
    this.#startedAt = run.since;
  }

  /** The run has ended at `at`. */
  end(at: Seconds): void {
    const { run } = this;
    if (run === undefined) return;
    const spent = Math.max(0, at - run.since);
    this.#ran += spent;
    this.#service += run.gpus * spent;
    this.run = undefined;
  }
}
