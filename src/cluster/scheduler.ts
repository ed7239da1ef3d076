/**
 * A scheduler that can be killed at any moment: the engine, with its inputs in a journal and its cluster asked for the truth.
 *
 *     what happens ──► inbox ──► journal (on the disk) ──► engine ──► launcher
 *     restart: journal ──► engine ──► a silent launcher: beliefs ──► cluster.adopt: found, begun, or ended
 *
 * The engine's time stands still while it takes in a line of the journal, and its call backs are lines too: so the same journal makes
 * the same state, and the log of its decisions.
 */
import type { Clock, Seconds } from "../time/clock.ts";
import type { Belief, Cluster, Report } from "./cluster.ts";
import { ClusterEngine } from "./engine.ts";
import type { JobId, JobSpec, Outlook } from "./job.ts";
import type { Journal, JournalLine } from "./journal.ts";
import type { ClusterEvent, Launcher, Run } from "./launcher.ts";
import type { LogLine } from "./log.ts";
import type { ClusterPolicy } from "./policy.ts";

/** The clock of an engine that lives on a journal. */
class JournalClock implements Clock {
  readonly #calls = new Map<number, { readonly time: Seconds; readonly fire: () => void }>();
  readonly #arm: (n: number, time: Seconds) => void;
  #asked = 0;
  #now: Seconds = 0;

  constructor(arm: (n: number, time: Seconds) => void) {
    this.#arm = arm;
  }

  now(): Seconds {
    return this.#now;
  }

  at(time: Seconds, fire: () => void): void {
    const n = this.#asked++;
    this.#calls.set(n, { time, fire });
    this.#arm(n, time);
  }

  moveTo(time: Seconds): void {
    this.#now = Math.max(this.#now, time);
  }

  call(n: number): void {
    const call = this.#calls.get(n);
    this.#calls.delete(n);
    call?.fire();
  }

  pending(): Iterable<[number, { readonly time: Seconds }]> {
    return this.#calls;
  }
}

/** Remembers what a cluster would have been asked for, until there is one. */
class Ledger implements Launcher {
  readonly #beliefs = new Map<JobId, Belief>();
  /** Of the jobs' progress, for policies that want to know it; it is told of runs, and not believed when they end. */
  readonly #model: Launcher | undefined;
  cluster: Cluster | undefined;

  constructor(model: Launcher | undefined) {
    this.#model = model;
  }

  start(run: Run): void {
    this.#beliefs.set(run.job.id, { run, stopping: false });
    this.#model?.start(run);
    this.cluster?.start(run);
  }

  stop(job: JobId, attempt: number): void {
    const belief = this.#beliefs.get(job);
    if (belief?.run.attempt === attempt) this.#beliefs.set(job, { ...belief, stopping: true });
    this.#model?.stop(job, attempt);
    this.cluster?.stop(job, attempt);
  }

  outlook(job: JobSpec): Outlook | undefined {
    return this.#model?.outlook?.(job);
  }

  heard(event: ClusterEvent): void {
    if (event.kind !== "finished" && event.kind !== "stopped" && event.kind !== "failed") return;
    if (this.#beliefs.get(event.job)?.run.attempt === event.attempt) this.#beliefs.delete(event.job);
  }

  beliefs(): Belief[] {
    return [...this.#beliefs.values()];
  }
}

export interface SchedulerParts {
  readonly policy: ClusterPolicy;
  readonly journal: Journal;
  /** Gets every line of the engine's log, those of the past again first. */
  readonly log: (line: LogLine) => void;
  /** Tells the progress of jobs by a model. What it reports is to be ignored; its calls to the clock never come back. */
  readonly model?: (clock: Clock) => Launcher;
  readonly failuresMax?: number;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

export class Scheduler {
  readonly engine: ClusterEngine;
  readonly #parts: SchedulerParts;
  readonly #clock: JournalClock;
  readonly #ledger: Ledger;
  readonly #inbox: ((now: Seconds) => JournalLine)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #live = false;
  #busy = false;
  #observe: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    const { policy, journal, log, model, failuresMax } = parts;
    const { nodes, roundSeconds } = journal.header.setup;
    this.#clock = new JournalClock((n, time) => this.#live && this.#armTick(n, time));
    this.#ledger = new Ledger(model?.({ now: () => this.#clock.now(), at: () => undefined }));
    this.engine = new ClusterEngine({
      ...{ clock: this.#clock, launcher: this.#ledger, policy, nodes, log },
      ...(roundSeconds !== undefined && { roundSeconds }),
      ...(failuresMax !== undefined && { failuresMax }),
    });
    for (const line of journal.past) this.#take(line);
  }

  /** Seconds of the trace. */
  now(): Seconds {
    const { timeScale, epoch } = this.#parts.journal.header;
    return ((this.#parts.wall() - epoch) / 1e3) * timeScale;
  }

  readonly report: Report = (event) =>
    this.#put((at) => ({ kind: "event", at, event: { at, ...event } as ClusterEvent }));

  /** A job arrives, at the time that its trace says; one that is there already is ignored. */
  submit(job: JobSpec): void {
    this.#put((at) => ({ kind: "event", at, event: { kind: "submitted", at: Math.min(job.submit, at), job } }));
  }

  /** From now on what is decided is done. `observe` is called after every change, `fail` where a policy or the journal fails. */
  async begin(cluster: Cluster, observe: () => void, fail: (error: unknown) => void): Promise<void> {
    this.#observe = observe;
    this.#fail = fail;
    this.#live = true;
    this.#ledger.cluster = cluster;
    for (const [n, { time }] of this.#clock.pending()) this.#armTick(n, time);
    await cluster.adopt(this.#ledger.beliefs());
  }

  /** Takes in nothing more. What is running is the cluster's, and the next scheduler's to find. */
  end(): void {
    this.#live = false;
    this.#inbox.length = 0;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #armTick(n: number, time: Seconds): void {
    const milliseconds = Math.ceil(((time - this.now()) / this.#parts.journal.header.timeScale) * 1e3);
    if (!this.#live) return;
    const fire = (): void => {
      this.#timers.delete(timer);
      // A timer may come early, by rounding or because it cannot wait for longer than 25 days.
      if (this.now() < time) this.#armTick(n, time);
      else this.#put((at) => ({ kind: "tick", n, at }));
    };
    const timer = setTimeout(fire, Math.min(2 ** 31 - 1, Math.max(0, milliseconds)));
    this.#timers.add(timer);
  }

  /** What a launcher says while the engine speaks to it waits until the engine has finished its sentence. */
  #put(line: (now: Seconds) => JournalLine): void {
    if (!this.#live) return;
    this.#inbox.push(line);
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#inbox.length > 0) {
        const now = Math.max(this.#clock.now(), this.now());
        const lines = this.#inbox.splice(0).map((made) => made(now));
        this.#parts.journal.append(lines);
        for (const taken of lines) this.#take(taken);
      }
    } catch (error) {
      this.end();
      this.#fail(error);
    } finally {
      this.#busy = false;
    }
    this.#observe();
  }

  #take(line: JournalLine): void {
    this.#clock.moveTo(line.at);
    if (line.kind === "tick") return this.#clock.call(line.n);
    this.engine.report(line.event);
    this.#ledger.heard(line.event);
  }
}
