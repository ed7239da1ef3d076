/**
 * Shares of time made true in rounds (Gavel, OSDI 2020, §5): an allocation says which part of its time each job is to spend on each
 * type of node; each round runs the jobs that are furthest behind it.
 *
 *     jobs ──(at an arrival or an end, not too often)──► allocate ──► X[job, type] ──(every round)──► X ÷ time received, best first
 *
 * Time is counted since the last allocation, and begins with half a round for everybody, so that no job is infinitely far behind.
 */
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import { nothing } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { Rounds } from "./rounds.ts";
import { ShareLines, type Standing } from "./share-lines.ts";

/** A job that wants a share, as it is when the allocation is computed. */
export interface Claimant {
  readonly view: JobView;
  readonly gpus: number;
  /** Units of work a second, by type of node: 0 where it cannot run; 1 everywhere for a job of which nothing is known. */
  readonly rates: readonly number[];
  /** Units of work to do; absent where nobody knows. */
  readonly remaining: number | undefined;
  /** Seconds since its submission. */
  readonly age: Seconds;
  /** Jobs alike that it stands for, of which each is to have an equal share; 1 where it is absent. */
  readonly copies?: number;
}

export interface ShareRequest {
  readonly now: Seconds;
  readonly types: readonly string[];
  /** GPUs, by type. */
  readonly workers: readonly number[];
  /** In the order of their arrival. */
  readonly jobs: readonly Claimant[];
}

/** One or two jobs that run at once on the same GPUs, and the part of their time that they are to do so on each type. */
export interface Share {
  /** Indexes into the jobs of the request. */
  readonly members: readonly number[];
  readonly shares: readonly number[];
}

export interface TimeShareOptions {
  /** Length of a round, where the engine does not decide in rounds. */
  readonly roundSeconds: Seconds;
  /** The allocation is left as it is for so long, whatever happens. */
  readonly resetSeconds: Seconds;
  readonly allocate: (request: ShareRequest) => readonly Share[];
}

interface Unit extends Standing {
  /** Its members, joined. */
  readonly key: string;
  readonly members: readonly JobId[];
  rates: readonly number[];
  /** Since the last allocation, by type; half a round more than it was. */
  readonly received: number[];
  /** What it should have received and did not, by type, over all allocations. */
  readonly deficits: number[];
  /** Absent until an allocation has seen it. */
  shares: readonly number[] | undefined;
}

interface Choice {
  readonly unit: Unit;
  readonly type: number;
}

export class TimeShares {
  readonly #options: TimeShareOptions;
  readonly #rounds: Rounds;
  #half: Seconds = 0;
  #types: readonly string[] = [];
  #workers: number[] = [];
  /** By the ids of the members; single jobs in the order of their arrival. */
  #units = new Map<string, Unit>();
  #made = 0;
  /** As of the last allocation, by type. */
  #lines: ShareLines<Unit>[] = [];
  readonly #pairsOf = new Map<JobId, Set<string>>();
  /** Seconds of progress of each job when it was last looked at. */
  readonly #computed = new Map<JobId, Seconds>();
  /** What the last decision ran, by unit; and the unit of each job that ran. */
  #running = new Map<string, Choice>();
  #unitOf = new Map<JobId, string>();
  /** Seconds that units received on each type since the last allocation, half rounds included. */
  #workerTime: number[] = [];
  #lastReset: Seconds = 0;
  #stale = false;

  constructor(options: TimeShareOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.roundSeconds);
  }

  /** O(what happened) between rounds; O(units that ran or run) for a round; O(units) where shares are allocated anew. */
  decide(view: ClusterView): Decision {
    this.#half = this.#rounds.length(view) / 2;
    const begins = this.#rounds.begins(view);
    this.#lookAtNodes(view);
    if (begins) for (const choice of this.#running.values()) this.#account(choice, view, true);
    for (const { spec } of view.ended) this.#forget(spec.id, view, begins);
    for (const job of view.arrived) this.#meet(job, view);
    if (!begins) return this.#rounds.until(view, nothing);
    const since = view.now - this.#lastReset;
    const due = since >= this.#options.resetSeconds || this.#lastReset === 0;
    if (this.#stale && due) this.#allocate(view, since);
    const decision = this.#rounds.until(view, this.#run(view, this.#choose()));
    // A new job waits for the next allocation; where nobody runs, nothing else may happen before that.
    const allocation = this.#lastReset + this.#options.resetSeconds;
    const idle = this.#stale && this.#running.size === 0 && view.waitingCount > 0 && allocation > view.now;
    return idle ? { ...decision, wake: allocation } : decision;
  }

  #lookAtNodes({ nodes }: ClusterView): void {
    const workers = nodes.types.map((type) => nodes.total(type));
    if (workers.length === this.#workers.length && workers.every((n, k) => n === this.#workers[k])) return;
    if (this.#types.length === 0) this.#workerTime = nodes.types.map(() => 0);
    this.#types = nodes.types;
    this.#workers = workers;
    this.#stale = true;
  }

  /** Counts what a unit received since it was last looked at: in the round that has ended, or until its end. */
  #account({ unit, type }: Choice, view: ClusterView, ended: boolean): void {
    let most = 0;
    for (const id of unit.members) {
      const job = view.job(id);
      const { outlook } = job;
      const computed = outlook?.computed ?? job.ran;
      most = Math.max(most, outlook?.lease ?? computed - (this.#computed.get(id) ?? 0));
      this.#computed.set(id, computed);
    }
    // Who was given a round and got nowhere in it is not what it was thought to be.
    if (most === 0 && ended) this.#stale = true;
    if (most === 0) return;
    unit.received[type]! += most;
    this.#workerTime[type]! += most;
    this.#lines[type]?.moved(unit);
  }

  #forget(id: JobId, view: ClusterView, accounted: boolean): void {
    this.#stale = true;
    const key = this.#unitOf.get(id);
    const choice = key === undefined ? undefined : this.#running.get(key);
    if (choice !== undefined && !accounted) this.#account(choice, view, false);
    if (key !== undefined) this.#running.delete(key);
    this.#unitOf.delete(id);
    this.#computed.delete(id);
    this.#drop(id);
    for (const pair of this.#pairsOf.get(id) ?? []) this.#drop(pair);
    this.#pairsOf.delete(id);
  }

  #drop(key: string): void {
    const unit = this.#units.get(key);
    if (unit === undefined) return;
    unit.gone = true;
    this.#units.delete(key);
  }

  #meet(job: JobView, view: ClusterView): void {
    this.#stale = true;
    this.#computed.set(job.spec.id, progress(job));
    this.#unit([job.spec.id], job.gpus, ratesOf(job, view));
  }

  #unit(members: readonly JobId[], gpus: number, rates: readonly number[]): Unit {
    const zeros = this.#types.map(() => 0);
    const unit: Unit = {
      ...{ key: members.join(" "), members, gpus, rates, order: this.#made++ },
      ...{ received: zeros.map(() => this.#half), deficits: zeros, shares: undefined, gone: false },
    };
    this.#units.set(unit.key, unit);
    return unit;
  }

  #allocate(view: ClusterView, since: Seconds): void {
    const { allocate } = this.#options;
    const half = this.#half;
    this.#workerTime = this.#types.map(() => 0);
    for (const unit of this.#units.values()) {
      for (let k = 0; k < this.#types.length; k++) {
        unit.deficits[k]! += (unit.shares?.[k] ?? 0) * since - (unit.received[k]! - half);
        unit.received[k] = half;
        this.#workerTime[k]! += half;
      }
    }
    const jobs: Claimant[] = [];
    for (const unit of this.#units.values()) {
      if (unit.members.length === 1) jobs.push(claimant(view.job(unit.members[0]!), view));
    }
    const request: ShareRequest = { now: view.now, types: this.#types, workers: this.#workers, jobs };
    for (const unit of this.#units.values()) unit.shares = undefined;
    for (const share of allocate(request)) this.#grant(request, share);
    this.#line();
    this.#lastReset = view.now;
    this.#stale = false;
  }

  #grant({ jobs }: ShareRequest, { members, shares }: Share): void {
    const ids = members.map((i) => jobs[i]!.view.spec.id);
    const { gpus, rates } = jobs[members[0]!]!;
    const unit = this.#units.get(ids.join(" ")) ?? this.#unit(ids, gpus, rates);
    // What a job has become since it arrived (a larger batch) is what counts from now on.
    if (members.length === 1) unit.rates = rates;
    unit.shares = shares.map((share) => Math.min(1, Math.max(0, share)));
    if (members.length === 1) return;
    for (const id of ids) {
      const pairs = this.#pairsOf.get(id) ?? new Set();
      this.#pairsOf.set(id, pairs.add(unit.key));
    }
  }

  #line(): void {
    this.#lines = this.#types.map((_, k) => new ShareLines<Unit>(k));
    for (const unit of this.#units.values()) {
      for (const [k, lines] of this.#lines.entries()) {
        const share = unit.shares?.[k];
        if (share !== undefined && unit.rates[k]! > 0) lines.add(unit, share);
      }
    }
    for (const lines of this.#lines) lines.sort();
  }

  /** Type by type, the units that are furthest behind and fit. */
  #choose(): Map<string, Choice> {
    const chosen = new Map<string, Choice>();
    const busy = new Set<JobId>();
    for (const [type, lines] of this.#lines.entries()) {
      let free = this.#workers[type]!;
      lines.walk(this.#workerTime[type]!, (unit) => {
        const { members, gpus, key } = unit;
        if (free === 0 || gpus > free) return false;
        if (members.some((id) => busy.has(id))) return true;
        free -= gpus;
        for (const id of members) busy.add(id);
        chosen.set(key, { unit, type });
        return true;
      });
    }
    return chosen;
  }

  /** Those that ran on this type go on where they are; the largest of the others are placed first. */
  #run(view: ClusterView, chosen: Map<string, Choice>): Decision {
    const keep = new Set<JobId>();
    const start: Start[] = [];
    const bySize = [...chosen].sort(([, a], [, b]) => b.unit.gpus - a.unit.gpus);
    const unitOf = new Map<JobId, string>();
    for (const [key, { unit, type }] of bySize) {
      for (const id of unit.members) unitOf.set(id, key);
      const before = this.#running.get(key);
      const stays = unit.members.every((id) => view.job(id).places.length > 0);
      if (before?.type === type && stays) {
        for (const id of unit.members) keep.add(id);
        continue;
      }
      const [first, second] = unit.members;
      start.push({ job: first!, type: this.#types[type]! });
      if (second !== undefined) start.push({ job: second, type: this.#types[type]!, beside: first! });
    }
    this.#running = chosen;
    this.#unitOf = unitOf;
    const stop = [...view.running].map(({ spec }) => spec.id).filter((id) => !keep.has(id));
    return { stop, start };
  }
}

const progress = (job: JobView): Seconds => job.outlook?.computed ?? job.ran;

const ratesOf = (job: JobView, view: ClusterView): readonly number[] =>
  view.nodes.types.map((type) => {
    const { types } = job.spec;
    if (types !== undefined && !types.includes(type)) return 0;
    const nodes = Math.ceil(job.gpus / Math.max(1, view.nodes.gpusMax));
    return job.outlook?.rate(job.gpus, nodes, type) ?? 1;
  });

function claimant(view: JobView, cluster: ClusterView): Claimant {
  const { outlook, spec } = view;
  return {
    view,
    gpus: view.gpus,
    rates: ratesOf(view, cluster),
    remaining: outlook === undefined ? undefined : outlook.total - outlook.done,
    age: cluster.now - spec.submit,
  };
}
