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
import { allows } from "./node.ts";
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
  /** Types in the order in which a round fills them, asked for every round; that of the nodes where it is absent. */
  readonly order?: (types: number) => readonly number[];
  /** Whether what is left over stays idle: only who has a share of a type runs there. */
  readonly strict?: boolean;
}

interface Member {
  readonly id: JobId;
  /** Seconds of progress when it was last looked at. */
  computed: Seconds;
  /** Units of two that it is in, by their keys. */
  pairs: Set<string> | undefined;
  /** What it runs in, by the last decision. */
  runsIn: Unit | undefined;
  /** The last decision that gave it GPUs. */
  chosen: number;
}

interface Unit extends Standing {
  /** The ids of its members, joined. */
  readonly key: string;
  readonly members: readonly Member[];
  rates: readonly number[];
  /** Since the last allocation, by type; half a round more than it was. */
  readonly received: number[];
  /** What it should have received and did not, by type, over all allocations. */
  readonly deficits: number[];
  /** Absent until an allocation has seen it. */
  shares: readonly number[] | undefined;
  /** Where it runs, by the last decision; and by the one that is being made. */
  type: number | undefined;
  next: number | undefined;
  /** One of it was made to leave since then. */
  evicted: boolean;
  /** Nothing changes for it in the decision that is being made. */
  stays: boolean;
}

export class TimeShares {
  readonly #options: TimeShareOptions;
  readonly #rounds: Rounds;
  #half: Seconds = 0;
  #types: readonly string[] = [];
  #workers: number[] = [];
  /** By the ids of the members; single jobs in the order of their arrival. */
  readonly #units = new Map<string, Unit>();
  readonly #members = new Map<JobId, Member>();
  #made = 0;
  /** As of the last allocation, by type. */
  #lines: ShareLines<Unit>[] = [];
  /** What the last decision ran; those that have ended since are gone. */
  #running: Unit[] = [];
  #decisions = 0;
  /** Seconds that units received on each type since the last allocation, half rounds included. */
  #workerTime: number[] = [];
  #lastReset: Seconds | undefined;
  #nextReset: Seconds = 0;
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
    if (begins) for (const unit of this.#running) if (!unit.gone) this.#account(unit, view, true);
    for (const { spec } of view.ended) this.#forget(spec.id, view, begins);
    for (const job of view.arrived) this.#meet(job, view);
    for (const job of view.requeued) this.#evict(job);
    if (!begins) return this.#rounds.until(view, nothing);
    if (this.#stale && this.#rounds.began >= this.#nextReset - instant) this.#allocate(view);
    const decision = this.#rounds.until(view, this.#run(view, this.#choose()));
    // A new job waits for the next allocation; where nobody runs, nothing else may happen before that.
    const idle = this.#stale && this.#running.length === 0 && view.waitingCount > 0 && this.#nextReset > view.now;
    return idle ? { ...decision, wake: this.#nextReset } : decision;
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
  #account(unit: Unit, view: ClusterView, ended: boolean): void {
    const type = unit.type!;
    let most = 0;
    for (const member of unit.members) {
      const job = view.job(member.id);
      const { outlook } = job;
      const computed = outlook?.computed ?? job.ran;
      most = Math.max(most, outlook?.lease ?? computed - member.computed);
      member.computed = computed;
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
    const member = this.#members.get(id);
    if (member === undefined) return;
    const { runsIn } = member;
    if (runsIn !== undefined && !runsIn.gone && !accounted) this.#account(runsIn, view, false);
    this.#members.delete(id);
    this.#drop(id);
    for (const pair of member.pairs ?? []) this.#drop(pair);
  }

  #drop(key: string): void {
    const unit = this.#units.get(key);
    if (unit === undefined) return;
    unit.gone = true;
    this.#units.delete(key);
  }

  #meet(job: JobView, view: ClusterView): void {
    this.#stale = true;
    const computed = job.outlook?.computed ?? job.ran;
    const member = { id: job.spec.id, computed, pairs: undefined, runsIn: undefined, chosen: 0 };
    this.#members.set(member.id, member);
    this.#unit([member], job.gpus, ratesOf(job, view));
  }

  /** A job that was moved waited, and has places again. */
  #evict({ spec, places }: JobView): void {
    const member = this.#members.get(spec.id);
    if (places.length === 0 && member?.runsIn !== undefined) member.runsIn.evicted = true;
  }

  #unit(members: readonly Member[], gpus: number, rates: readonly number[]): Unit {
    const unit: Unit = {
      key: keyOf(members),
      members,
      gpus,
      rates,
      order: this.#made++,
      received: this.#types.map(() => this.#half),
      deficits: this.#types.map(() => 0),
      stands: [],
      gone: false,
      shares: undefined,
      type: undefined,
      next: undefined,
      evicted: false,
      stays: false,
    };
    this.#units.set(unit.key, unit);
    return unit;
  }

  #allocate(view: ClusterView): void {
    const { allocate, resetSeconds } = this.#options;
    const half = this.#half;
    const { began } = this.#rounds;
    const since = began - (this.#lastReset ?? 0);
    // The first knows only who came first: the next round may make another.
    this.#nextReset = this.#lastReset === undefined ? began : began + resetSeconds;
    this.#workerTime = this.#types.map(() => 0);
    for (const unit of this.#units.values()) {
      for (let k = 0; k < this.#types.length; k++) {
        unit.deficits[k]! += (unit.shares?.[k] ?? 0) * since - (unit.received[k]! - half);
        unit.received[k] = half;
        this.#workerTime[k]! += half;
      }
    }
    const singles: Unit[] = [];
    for (const unit of this.#units.values()) if (unit.members.length === 1) singles.push(unit);
    const jobs = singles.map(({ key }) => claimant(view.job(key), view));
    const request: ShareRequest = { now: view.now, types: this.#types, workers: this.#workers, jobs };
    for (const unit of this.#units.values()) unit.shares = undefined;
    for (const [i, unit] of singles.entries()) unit.rates = jobs[i]!.rates;
    for (const { members, shares } of allocate(request)) {
      const unit = members.length === 1 ? singles[members[0]!]! : this.#pair(members.map((i) => singles[i]!));
      unit.shares = shares.every((share) => share >= 0 && share <= 1) ? shares : shares.map(asPart);
    }
    this.#line();
    this.#lastReset = began;
    this.#stale = false;
  }

  /** The unit of two jobs. */
  #pair(singles: readonly Unit[]): Unit {
    const members = singles.flatMap((unit) => unit.members);
    const { gpus, rates } = singles[0]!;
    const unit = this.#units.get(keyOf(members)) ?? this.#unit(members, gpus, rates);
    for (const member of members) (member.pairs ??= new Set()).add(unit.key);
    return unit;
  }

  #line(): void {
    const { strict = false } = this.#options;
    this.#lines = this.#types.map((_, k) => new ShareLines<Unit>(k));
    for (const unit of this.#units.values()) {
      unit.stands.length = 0;
      for (const [k, lines] of this.#lines.entries()) {
        const share = unit.shares?.[k];
        if (share !== undefined && unit.rates[k]! > 0 && !(strict && share === 0)) lines.add(unit, share);
      }
    }
    for (const lines of this.#lines) lines.sort();
  }

  /** Type by type, the units that are furthest behind and fit. */
  #choose(): Unit[] {
    const decision = ++this.#decisions;
    const chosen: Unit[] = [];
    for (const unit of this.#running) unit.next = undefined;
    for (const type of this.#options.order?.(this.#lines.length) ?? this.#lines.keys()) {
      let free = this.#workers[type]!;
      this.#lines[type]!.walk(this.#workerTime[type]!, (unit) => {
        const { members, gpus } = unit;
        if (free === 0 || gpus > free) return false;
        for (const member of members) if (member.chosen === decision) return true;
        free -= gpus;
        for (const member of members) member.chosen = decision;
        unit.next = type;
        chosen.push(unit);
        return true;
      });
    }
    return chosen;
  }

  /** Those that ran on this type go on where they are; the largest of the others are placed first. */
  #run(view: ClusterView, chosen: Unit[]): Decision {
    const moved: Unit[] = [];
    for (const unit of chosen) {
      unit.stays = unit.type === unit.next && !unit.evicted;
      if (!unit.stays) moved.push(unit);
    }
    const stop: JobId[] = [];
    for (const unit of this.#running) {
      if (unit.next !== undefined && unit.stays) continue;
      unit.type = undefined;
      unit.evicted = false;
      for (const member of unit.members) {
        member.runsIn = undefined;
        // Who has ended has left; whose mate has ended is still there.
        if (this.#members.has(member.id) && view.job(member.id).places.length > 0) stop.push(member.id);
      }
    }
    const start: Start[] = [];
    for (const unit of moved.sort((a, b) => b.gpus - a.gpus)) {
      unit.type = unit.next;
      for (const member of unit.members) member.runsIn = unit;
      const [first, second] = unit.members;
      const type = this.#types[unit.type!]!;
      start.push({ job: first!.id, type });
      if (second !== undefined) start.push({ job: second.id, type, beside: first!.id });
    }
    this.#running = chosen;
    return { stop, start };
  }
}

/** Sums of seconds that should be equal differ by less. */
const instant: Seconds = 1e-6;

const keyOf = (members: readonly Member[]): string =>
  members.length === 1 ? members[0]!.id : members.map(({ id }) => id).join(" ");

const asPart = (share: number): number => Math.min(1, Math.max(0, share));

const ratesOf = (job: JobView, view: ClusterView, outlook = job.outlook): readonly number[] =>
  view.nodes.types.map((type) => {
    if (!allows(job.spec.types, type)) return 0;
    const nodes = Math.ceil(job.gpus / Math.max(1, view.nodes.gpusMax));
    return outlook?.rate(job.gpus, nodes, type) ?? 1;
  });

function claimant(view: JobView, cluster: ClusterView): Claimant {
  const { outlook, spec } = view;
  return {
    view,
    gpus: view.gpus,
    rates: ratesOf(view, cluster, outlook),
    remaining: outlook === undefined ? undefined : outlook.total - outlook.done,
    age: cluster.now - spec.submit,
  };
}
