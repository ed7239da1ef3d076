/**
 * A model of what runs jobs under Gavel's and Shockwave's simulators: in leases of one round.
 *
 *     start, stop ──► who has a lease ──(the round's steps, at the measured throughput)──► finished …, round
 *
 * A lease is so many whole steps as fit into a round, and the round ends with the longest of them. A job that had no lease in the
 * round before loses 20 s of a full one to its checkpoint. Batch sizes change between leases, by the rules of `batch-size.ts`.
 */
import type { JobId, JobSpec, Outlook } from "../../../cluster/job.ts";
import type { ClusterEvent, Launcher, Run } from "../../../cluster/launcher.ts";
import type { NodeSpec } from "../../../cluster/node.ts";
import type { Clock, Seconds } from "../../../time/clock.ts";
import { LeasedJob } from "./leased-job.ts";
import type { Throughputs } from "./throughputs.ts";

export interface LeaseOptions {
  readonly throughputs: Throughputs;
  readonly nodes: readonly NodeSpec[];
  readonly roundSeconds: Seconds;
  /** Lost by a job that had no lease in the round before; nothing where it is 0. */
  readonly restartSeconds: Seconds;
  /** A job that ran for so many times its profiled duration is taken as finished. */
  readonly overtime: number;
  /** The type of GPU that durations are measured on. */
  readonly reference: string;
  readonly report: (event: ClusterEvent) => void;
}

interface Lease {
  readonly run: Run;
  readonly job: LeasedJob;
  readonly steps: number;
  readonly end: Seconds;
}

export class LeaseLauncher implements Launcher {
  readonly #clock: Clock;
  readonly #options: LeaseOptions;
  readonly #jobs = new Map<JobId, LeasedJob>();
  readonly #runs = new Map<JobId, Run>();
  /** Who had a lease in the last round. */
  #before: ReadonlySet<JobId> = new Set();
  #round = 0;
  #asked = false;

  constructor(clock: Clock, options: LeaseOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  start(run: Run): void {
    this.#runs.set(run.job.id, run);
    this.#options.report({ kind: "started", at: this.#clock.now(), job: run.job.id, attempt: run.attempt });
    this.#ask();
  }

  stop(id: JobId, attempt: number): void {
    this.#runs.delete(id);
    this.#options.report({ kind: "stopped", at: this.#clock.now(), job: id, attempt });
  }

  outlook(spec: JobSpec): Outlook {
    const { throughputs } = this.#options;
    return this.#job(spec).outlook(
      (type, job, gpus) => throughputs.alone(type, job, gpus),
      (type, other, gpus) => {
        const mate = this.#jobs.get(other);
        return mate === undefined ? 0 : throughputs.together(type, this.#job(spec).name, mate.name, gpus)[0];
      },
    );
  }

  #job(spec: JobSpec): LeasedJob {
    const known = this.#jobs.get(spec.id);
    if (known !== undefined) return known;
    const job = new LeasedJob(spec, this.#options);
    this.#jobs.set(spec.id, job);
    return job;
  }

  /** Begins a round once everything of this instant has been decided. */
  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const now = this.#clock.now();
    this.#clock.at(now, () => {
      this.#asked = false;
      this.#begin(now);
    });
  }

  #begin(now: Seconds): void {
    if (this.#runs.size === 0) return;
    const leases = [...this.#runs.values()].map((run) => this.#lease(run, now));
    const end = leases.reduce((most, lease) => Math.max(most, lease.end), now);
    this.#clock.at(end, () => this.#end(leases, now, end));
  }

  #lease(run: Run, now: Seconds): Lease {
    const job = this.#job(run.job);
    const [steps, seconds] = this.#work(run, job);
    // Who shares GPUs holds them until the longer of the two is through.
    const others = run.beside.map((id) => this.#runs.get(id)).filter((mate) => mate !== undefined);
    const longest = others.reduce((most, mate) => Math.max(most, this.#work(mate, this.#job(mate.job))[1]), seconds);
    return { run, job, steps, end: now + longest };
  }

  /** Whole steps of one round, and the seconds that they take. */
  #work({ places, beside, job: { gpus } }: Run, job: LeasedJob): readonly [number, Seconds] {
    const { throughputs, nodes, roundSeconds } = this.#options;
    const type = nodes[places[0]!.node]!.type;
    const mate = beside[0] === undefined ? undefined : this.#jobs.get(beside[0]);
    const rate =
      mate === undefined
        ? throughputs.alone(type, job.name, gpus)
        : throughputs.together(type, job.name, mate.name, gpus)[0];
    const steps = Math.max(0, Math.min(Math.floor(rate * roundSeconds), job.remaining));
    return rate > 0 ? [steps, steps / rate] : [0, roundSeconds];
  }

  #end(leases: readonly Lease[], began: Seconds, now: Seconds): void {
    const { roundSeconds, restartSeconds, report } = this.#options;
    const held = new Set<JobId>();
    // Reports come in the order in which leases end, the last first.
    for (const { run, job, steps, end } of leases.toSorted((a, b) => b.end - a.end)) {
      const { id } = run.job;
      held.add(id);
      let [done, seconds] = [steps, end - began];
      const fresh = this.#round > 0 && !this.#before.has(id);
      // A lease that is nearly over before the round is, is the job's last: it is not made longer by a few steps.
      if (fresh && seconds > roundSeconds - 5 && seconds > restartSeconds) {
        done = Math.floor(done * ((seconds - restartSeconds) / seconds));
        seconds -= restartSeconds;
      }
      if (!job.advance(done, seconds, this.#round)) continue;
      this.#runs.delete(id);
      report({ kind: "finished", at: end, job: id, attempt: run.attempt });
    }
    this.#before = held;
    this.#round++;
    report({ kind: "round", at: now });
    this.#clock.at(now, () => this.#ask());
  }
}
