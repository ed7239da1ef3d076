/**
 * The engine of the cluster: owns jobs, nodes and queues, asks the four slots, checks what they decide, and has it done.
 *
 *     report(event) ──► state ──(once an instant, or a round)──► scaling ► scheduling ► sharing ► placement ──► launcher
 *                         ▲───────────────────── started, stopped, finished, failed ─────────────────────────────┘
 *
 * It is the same object over Slurm and in simulation: it reads the clock once an event, never awaits, and measures nothing. An
 * event costs the same whatever the number of jobs and nodes; what a policy needs to see of them is computed when it looks.
 */
import { assert } from "../core/errors.ts";
import type { Clock, Seconds } from "../time/clock.ts";
import { checkDecision, checkPlaces, type DecisionParts, wishes } from "./check-decision.ts";
import { asRequested, consult, type Situation } from "./consult.ts";
import type { Decision, Offered, Start } from "./decision.ts";
import type { JobId, JobSpec, JobView } from "./job.ts";
import { JobList } from "./job-list.ts";
import { type Group, JobRecord, type Moment } from "./job-record.ts";
import type { ClusterEvent, Launcher, Run } from "./launcher.ts";
import type { LogLine, StartLine } from "./log.ts";
import { isNews } from "./news.ts";
import { gpusIn, type NodeSpec, type Share } from "./node.ts";
import { Nodes } from "./nodes.ts";
import { Occupancy } from "./occupancy.ts";
import type { ClusterPolicy } from "./policy.ts";
import { earlier, Timetable } from "./timetable.ts";

export interface EngineParts {
  readonly clock: Clock;
  readonly launcher: Launcher;
  readonly policy: ClusterPolicy;
  readonly nodes: readonly NodeSpec[];
  readonly log: (line: LogLine) => void;
  /** Decides at multiples of it; at every event where it is absent. */
  readonly roundSeconds?: Seconds;
  /** Decides no sooner than so long after the last decision, where there are no rounds. */
  readonly gapSeconds?: Seconds;
  /** Length of the leases that the launcher runs jobs in: decides when it reports a `round`, else only while nothing runs. */
  readonly leaseSeconds?: Seconds;
  /** Decides when the launcher reports a `round`, and at no other time. */
  readonly roundsOnly?: boolean;
  /** Runs of a job that may fail before it is given up. */
  readonly failuresMax?: number;
}

const nowhere: readonly Share[] = [];

export class ClusterEngine {
  readonly #parts: EngineParts;
  readonly #failuresMax: number;
  readonly #nodes: Nodes;
  readonly #occupancy: Occupancy;
  readonly #timetable: Timetable;
  readonly #jobs = new Map<JobId, JobRecord>();
  readonly #waiting = new JobList();
  readonly #running = new JobList();
  readonly #moment: Moment;
  #arrived: JobView[] = [];
  #ended: JobView[] = [];
  #requeued: JobView[] = [];
  /** Reported while another event or a decision was being carried out. */
  readonly #inbox: ClusterEvent[] = [];
  /** What a decision asks of the launcher, done when the decision is in the log. */
  #orders: (Run | { readonly id: JobId; readonly attempt: number })[] = [];
  readonly #checks = { made: 0 };
  #busy = false;
  /** What is reported now is of the decision that is about to be made. */
  #settling = false;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#failuresMax = parts.failuresMax ?? 3;
    this.#nodes = new Nodes(parts.nodes);
    this.#occupancy = new Occupancy(parts.nodes);
    const { launcher } = parts;
    this.#moment = { now: 0, sizes: asRequested, gpuless: new Set(), outlook: (job) => launcher.outlook?.(job) };
    this.#timetable = new Timetable(parts.clock, parts.roundSeconds, parts.gapSeconds ?? 0, () => this.decide());
  }

  /** Jobs that have not ended. */
  get unfinished(): number {
    return this.#waiting.size + this.#running.size;
  }

  get nodes(): Nodes {
    return this.#nodes;
  }

  job(id: JobId): JobRecord {
    const job = this.#jobs.get(id);
    assert(job !== undefined, () => `the cluster has no job ${id}`);
    return job;
  }

  /** Every job that was ever submitted, by the order of submission. */
  jobs(): Iterable<JobRecord> {
    return this.#jobs.values();
  }

  /** Takes in what happened. Events that say nothing new (duplicates, reports of runs that have ended) change nothing. */
  report(event: ClusterEvent): void {
    this.#inbox.push(event);
    if (!this.#busy) this.#drain();
  }

  /** Decides now. The engine calls it by its own timetable; a replay of a log, at the times that the log says. */
  decide(): void {
    const now = this.#parts.clock.now();
    this.#settling = true;
    this.#parts.launcher.settle?.(now);
    this.#settling = false;
    this.#moment.now = now;
    this.#busy = true;
    const { decision, rejected, chosen } = consult(this.#parts.policy, this.#situation());
    this.#carryOut(decision, rejected, now);
    for (const { job: id } of chosen) {
      const job = this.job(id);
      if (job.group === undefined && job.outcome === undefined) this.#requeued.push(job);
    }
    this.#drain();
    const wake = this.#parts.roundsOnly ? undefined : earlier(decision.wake, this.#parts.policy.scaling.wake?.());
    this.#timetable.decided(now, wake, this.unfinished > 0);
  }

  #drain(): void {
    this.#busy = true;
    this.#obey();
    // The list grows while it is worked through: a launcher may answer at once.
    for (const event of this.#inbox) {
      const now = this.#parts.clock.now();
      this.#moment.now = now;
      if (!isNews(event, this.#jobs, this.#nodes)) continue;
      this.#parts.log({ at: now, kind: "event", event });
      const { leaseSeconds, roundsOnly = leaseSeconds !== undefined && this.#running.size > 0 } = this.#parts;
      const held = roundsOnly && event.kind !== "round";
      if (this.#apply(event, Math.min(event.at, now)) && !held && !this.#settling) this.#timetable.ask(now);
      this.#obey();
    }
    this.#inbox.length = 0;
    this.#busy = false;
  }

  #obey(): void {
    const orders = this.#orders;
    if (orders.length === 0) return;
    this.#orders = [];
    const { launcher } = this.#parts;
    for (const order of orders) "beside" in order ? launcher.start(order) : launcher.stop(order.id, order.attempt);
  }

  /** Whether there is something new to decide about: a run that left as it was asked to changes nothing in the plan. */
  #apply(event: ClusterEvent, at: Seconds): boolean {
    switch (event.kind) {
      case "submitted":
        return this.#submit(event.job, at);
      case "node-lost":
        return this.#lose(event.node, at);
      case "round":
        return true;
      case "node-back":
        this.#nodes.setUsable(event.node, true);
        return true;
      case "cancelled":
        return this.#conclude(this.job(event.job), "failed");
      case "started":
        this.job(event.job).run!.started = true;
        return false;
      case "stopped":
        return this.#runEnded(this.job(event.job), at, false);
      case "failed":
        return this.#runEnded(this.job(event.job), at, true);
      case "finished": {
        const job = this.job(event.job);
        // Done before it heard that it was to move: what it leaves is no longer for itself.
        this.#occupancy.unqueue(job);
        if (job.run?.attempt === event.attempt) this.#vacate(job, at);
        return job.outcome === undefined && this.#conclude(job, "finished");
      }
    }
  }

  #submit(spec: JobSpec, at: Seconds): boolean {
    const job = new JobRecord(spec, at, this.#moment);
    this.#jobs.set(spec.id, job);
    const least = spec.range?.min ?? spec.gpus;
    const why = this.#occupancy.lacking(spec, least);
    if (why !== undefined) {
      job.outcome = "rejected";
      this.#parts.log({ at: this.#moment.now, kind: "refused", job: spec.id, why });
      return false;
    }
    this.#waiting.append(job);
    this.#arrived.push(job);
    return true;
  }

  /** A run has ended otherwise than by finishing its job. */
  #runEnded(job: JobRecord, at: Seconds, failed: boolean): boolean {
    const asked = job.run!.stopping;
    this.#vacate(job, at);
    if (job.outcome !== undefined) return false;
    if (asked) {
      this.#launchIfFree(job);
      return false;
    }
    if (failed && ++job.failures >= this.#failuresMax) {
      this.#parts.log({ at: this.#moment.now, kind: "given-up", job: job.spec.id });
      return this.#conclude(job, "failed");
    }
    this.#leave(job, at);
    return true;
  }

  /** The job has ended: its place is given up, and a run that is still there is asked to leave. */
  #conclude(job: JobRecord, outcome: "finished" | "failed" | "rejected"): boolean {
    const { now } = this.#moment;
    if (job.group !== undefined) this.#leave(job, now);
    this.#stopRun(job);
    job.outcome = outcome;
    job.list?.remove(job);
    this.#ended.push(job);
    return true;
  }

  #lose(node: number, at: Seconds): boolean {
    this.#nodes.setUsable(node, false);
    const hit = [...this.#running].filter(({ places }) => places.some((share) => share.node === node));
    for (const job of hit) {
      this.#leave(job, at);
      this.#stopRun(job);
    }
    return true;
  }

  /** The news are told once. */
  #situation(): Situation {
    const news = { arrived: this.#arrived, ended: this.#ended, requeued: this.#requeued };
    this.#arrived = [];
    this.#ended = [];
    this.#requeued = [];
    const { leaseSeconds, roundSeconds: round = leaseSeconds } = this.#parts;
    return {
      nodes: this.#nodes,
      waiting: this.#waiting,
      running: this.#running,
      moment: this.#moment,
      news,
      job: (id) => this.job(id),
      ...(round === undefined ? {} : { round }),
    };
  }

  #carryOut(decision: Decision, rejectedByScaling: readonly JobId[], now: Seconds): void {
    const { policy, log } = this.#parts;
    const reject = [...rejectedByScaling, ...(decision.reject ?? [])];
    const known = { jobs: this.#jobs, nodes: this.#nodes, checks: this.#checks };
    const parts: DecisionParts = { ...known, policy: policy.names.name, now };
    checkDecision(parts, decision, reject);
    const stop = [...decision.stop];
    for (const id of reject) this.#conclude(this.job(id), "rejected");
    for (const id of decision.stop) this.#stop(this.job(id), now);
    const [start, unplaced]: [StartLine[], JobId[]] = [[], []];
    let held = false;
    let outcome: Offered = "unplaced";
    for (const wish of wishes(parts, decision, () => outcome)) {
      const job = this.job(wish.job);
      const stops = stop.length;
      // It may have finished before it heard that it was to move.
      if (job.outcome !== undefined) continue;
      const line = held ? undefined : this.#start(wish, job, parts, stop);
      if (line === undefined) {
        unplaced.push(wish.job);
        held ||= decision.strict ?? false;
      } else start.push(line);
      outcome = line === undefined ? "unplaced" : stop.length > stops ? "evicted" : "placed";
    }
    log({
      at: now,
      kind: "decided",
      stop,
      start,
      unplaced,
      reject,
      waiting: this.#waiting.size,
      free: this.#nodes.freeTotal(),
    });
  }

  #start(wish: Start, job: JobRecord, parts: DecisionParts, stopped: JobId[]): StartLine | undefined {
    const size = this.#moment.sizes.named.get(wish.job);
    const sized = wish.gpus === undefined || wish.gpus === size?.gpus ? size?.on : undefined;
    // Scaling names places before scheduling has chosen; where others got them since, placement finds new ones.
    const on = wish.on ?? (sized?.every(({ node, gpus }) => gpus <= this.#nodes.free(node)) ? sized : undefined);
    const gpus = wish.gpus ?? (wish.on === undefined ? job.gpus : gpusIn(wish.on));
    let group: Group | undefined;
    if (wish.beside !== undefined) {
      group = this.job(wish.beside).group;
      if (group === undefined) return undefined;
      assert(
        group.members.length < this.#parts.policy.sharing.jobsMax,
        () => `${parts.policy} put ${wish.job} beside ${wish.beside}: more jobs than may share a GPU`,
      );
    } else if (on !== undefined) {
      checkPlaces(parts, job, gpus, on, wish.type);
      group = this.#hold(job, on);
      this.#parts.policy.placement.taken?.(job, on, this.#nodes);
    } else {
      const place = this.#parts.policy.placement.place(job, gpus, this.#nodes, wish.type);
      if (place === undefined) return undefined;
      for (const id of place.evict ?? []) this.#evict(this.job(id), parts.now, stopped);
      checkPlaces(parts, job, gpus, place.on, wish.type);
      group = this.#hold(job, place.on);
    }
    this.#join(job, group, gpus);
    if (this.#occupancy.isFree(job)) this.#launch(job);
    else this.#occupancy.queue(job);
    return { job: wish.job, on: job.places, beside: job.beside, later: job.queued };
  }

  #hold(owner: JobRecord, places: readonly Share[]): Group {
    this.#nodes.take(places);
    return { places, members: [], owner, present: 0 };
  }

  /** Whoever shares the GPUs must leave with the job that placement knows to be on them. */
  #evict(job: JobRecord, now: Seconds, stopped: JobId[]): void {
    for (const member of job.group?.members.slice() ?? []) {
      stopped.push(member.spec.id);
      this.#stop(member, now);
    }
  }

  #join(job: JobRecord, group: Group, gpus: number): void {
    group.members.push(job);
    job.group = group;
    job.places = group.places;
    job.held = gpus;
    this.#nodes.takeHost(job.spec, group.places, 1);
    job.list?.remove(job);
    this.#running.append(job);
  }

  /** The job waits from now on; its GPUs are free in the plan. */
  #leave(job: JobRecord, at: Seconds): void {
    const group = job.group!;
    group.members.splice(group.members.indexOf(job), 1);
    const [next] = group.members;
    const { placement } = this.#parts.policy;
    if (next === undefined) this.#nodes.give(group.places);
    this.#nodes.takeHost(job.spec, group.places, -1);
    this.#occupancy.unqueue(job);
    job.group = undefined;
    job.places = nowhere;
    job.held = 0;
    job.waitingSince = at;
    job.list?.remove(job);
    this.#waiting.append(job);
    this.#requeued.push(job);
    if (next === undefined) placement.freed?.(group.owner.spec.id, group.places);
    else if (group.owner === job) {
      group.owner = next;
      placement.handed?.(job.spec.id, next.spec.id);
    }
  }

  #stop(job: JobRecord, now: Seconds): void {
    if (job.group === undefined) return;
    this.#leave(job, now);
    this.#stopRun(job);
  }

  #stopRun(job: JobRecord): void {
    const { run, spec } = job;
    if (run === undefined || run.stopping) return;
    run.stopping = true;
    this.#orders.push({ id: spec.id, attempt: run.attempt });
  }

  #launch(job: JobRecord): void {
    const { launches: attempt, places, beside, spec, held: gpus } = job;
    const group = job.group!;
    this.#occupancy.enter(group);
    job.begin({ attempt, group, gpus, since: this.#moment.now, started: false, stopping: false });
    this.#orders.push({ job: spec, attempt, places, beside });
  }

  /** The run is no longer there; whoever waited for its GPUs begins. */
  #vacate(job: JobRecord, at: Seconds): void {
    const { group } = job.run!;
    job.end(at);
    for (const waiting of this.#occupancy.exit(group)) this.#launchIfFree(waiting);
  }

  #launchIfFree(job: JobRecord): void {
    if (!job.queued || !this.#occupancy.isFree(job)) return;
    this.#occupancy.unqueue(job);
    this.#parts.log({ at: this.#moment.now, kind: "launched", job: job.spec.id, attempt: job.launches });
    this.#launch(job);
  }
}
