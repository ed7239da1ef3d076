/**
 * Why a job waited, read from the engine's log: what was free at each decision that did not start it, whom the policy started
 * instead, who took its GPUs from it.
 *
 *     lines ─► what every job holds ─► at each decision while the job waits: a reason, until the next ─► spells, rivals, moments
 */
import type { Seconds } from "../time/clock.ts";
import type { JobId, JobSpec } from "./job.ts";
import type { ClusterEvent } from "./launcher.ts";
import type { DecisionLine, LogLine } from "./log.ts";
import { gpusIn, type NodeSpec, type Share } from "./node.ts";

/**
 * `undecided`: no decision has been made since it began to wait. `full`: fewer GPUs are free than it needs. `scattered`: enough are
 * free, it was chosen, and no places for it were found. `passed-over`: enough are free, and the policy did not choose it. `occupied`:
 * it has its places, and waits for those who are there to leave.
 */
export type WaitReason = "undecided" | "full" | "scattered" | "passed-over" | "occupied";

/** Time in which the reason stayed the same. */
export interface Spell {
  readonly reason: WaitReason;
  readonly from: Seconds;
  to: Seconds;
  /** Decisions in it, and the least and the most GPUs that were free after them. */
  decisions: number;
  freeLeast: number;
  freeMost: number;
  /** Most GPUs that were free on one node. */
  freeTogether: number;
  /** Jobs that decisions in it started. */
  started: number;
  /** The job that had waited longest, where it is another, and fewer GPUs were free than it needs. */
  readonly behind?: JobId;
}

/** A job that held GPUs while the job waited. */
export interface Rival {
  readonly id: JobId;
  readonly tenant: string;
  readonly gpus: number;
  readonly submit: Seconds;
  /** GPU-seconds held in that time. */
  held: number;
  /** Submitted later, and started while the job waited. */
  overtook: boolean;
}

export interface Moment {
  readonly at: Seconds;
  readonly what:
    | "submitted"
    | "started"
    | "stopped"
    | "moved"
    | "failed"
    | "finished"
    | "rejected"
    | "refused"
    | "cancelled";
  /** The jobs that were started when it was stopped; why it failed or was refused. */
  readonly detail: string;
}

export interface WaitStory {
  readonly spec: JobSpec;
  readonly waited: Seconds;
  readonly ran: Seconds;
  readonly end?: Seconds;
  readonly spells: readonly Spell[];
  /** Those that held most, first. */
  readonly rivals: readonly Rival[];
  /** Jobs that started while it waited, and how many of them were submitted after it. */
  readonly startedMeanwhile: number;
  readonly overtakers: number;
  readonly moments: readonly Moment[];
}

interface Holding {
  readonly places: readonly Share[];
  /** GPUs that it shares are counted for the job that was there first. */
  readonly gpus: number;
  /** When it got them, or when the job began to wait, whichever is later. */
  since: Seconds;
}

export class WaitReading {
  readonly #id: JobId;
  readonly #specs = new Map<JobId, JobSpec>();
  readonly #holdings = new Map<JobId, Holding>();
  readonly #free: Int32Array;
  readonly #spells: Spell[] = [];
  readonly #rivals = new Map<JobId, Rival>();
  readonly #moments: Moment[] = [];
  readonly #started = new Set<JobId>();
  /** In the order in which they began to. */
  readonly #waiting = new Set<JobId>();
  /** Since when it waits, or runs. */
  #waitingSince: Seconds | undefined;
  #runningSince: Seconds | undefined;
  #placed = false;
  #waited = 0;
  #ran = 0;
  #end: Seconds | undefined;
  #at: Seconds = 0;

  constructor(id: JobId, nodes: readonly NodeSpec[]) {
    this.#id = id;
    this.#free = Int32Array.from(nodes, ({ gpus }) => gpus);
  }

  readonly add = (line: LogLine): void => {
    this.#at = line.at;
    if (line.kind === "event") this.#event(line.event, Math.min(line.event.at, line.at));
    else if (line.kind === "decided") this.#decided(line);
    else if (line.kind === "refused") this.#waiting.delete(line.job);
    if (line.kind !== "event" && line.kind !== "decided" && line.job === this.#id) {
      if (line.kind === "launched") this.#launched(line.at);
      else if (line.kind === "refused") this.#ended(line.at, "refused", line.why);
      else this.#ended(line.at, "failed", "it failed too often");
    }
  };

  #event(event: ClusterEvent, at: Seconds): void {
    if (event.kind === "submitted") {
      this.#specs.set(event.job.id, event.job);
      this.#waiting.add(event.job.id);
      if (event.job.id !== this.#id) return;
      this.#moments.push({ at, what: "submitted", detail: "" });
      this.#beginWait(at);
      return;
    }
    if (event.kind === "node-lost" || event.kind === "node-back") return;
    if (event.kind === "started" || event.kind === "round") return;
    // One that is stopped has been made to wait by the decision already.
    if (event.kind !== "stopped") this.#waiting.delete(event.job);
    if (event.kind === "failed") this.#waiting.add(event.job);
    if (event.job === this.#id) this.#ownEvent(event, at);
    else if (event.kind !== "stopped") this.#release(event.job, at);
  }

  #ownEvent(event: ClusterEvent, at: Seconds): void {
    if (event.kind === "stopped" || event.kind === "finished" || event.kind === "failed") this.#leftGpus(at);
    if (event.kind === "finished") this.#ended(at, "finished", "");
    else if (event.kind === "cancelled") this.#ended(at, "cancelled", "");
    else if (event.kind === "failed") {
      this.#release(this.#id, at);
      this.#moments.push({ at, what: "failed", detail: event.why });
      this.#beginWait(at);
    }
  }

  #decided(line: DecisionLine): void {
    const { at, stop, start, reject } = line;
    for (const id of stop) {
      this.#release(id, at);
      this.#waiting.add(id);
    }
    for (const id of reject) this.#waiting.delete(id);
    if (stop.includes(this.#id)) {
      const others = start.filter(({ job }) => job !== this.#id).map(({ job }) => job);
      const moved = others.length < start.length;
      this.#moments.push({ at, what: moved ? "moved" : "stopped", detail: others.slice(0, 5).join(", ") });
      this.#beginWait(at);
    }
    for (const { job, on, beside, later } of start) {
      this.#hold(job, on, beside.length > 0, at);
      this.#waiting.delete(job);
      if (job !== this.#id) {
        if (this.#waitingSince !== undefined) this.#started.add(job);
      } else if (later) this.#placed = true;
      else this.#launched(at);
    }
    if (reject.includes(this.#id)) this.#ended(at, "rejected", "by the policy");
    if (this.#waitingSince !== undefined) this.#judge(line);
  }

  /** What held the job back in this decision holds it back until the next. */
  #judge({ at, start, unplaced, free }: DecisionLine): void {
    const need = this.#need(this.#id);
    const chosen = unplaced.includes(this.#id);
    const reason = this.#placed ? "occupied" : free < need ? "full" : chosen ? "scattered" : "passed-over";
    const behind = reason === "passed-over" ? this.#behind(free) : undefined;
    let spell = this.#spells.at(-1)!;
    if (spell.reason !== reason || spell.behind !== behind) {
      spell.to = at;
      spell = { ...spellOf(reason, at), ...(behind !== undefined && { behind }) };
      this.#spells.push(spell);
    }
    spell.decisions++;
    spell.freeLeast = Math.min(spell.freeLeast, free);
    spell.freeMost = Math.max(spell.freeMost, free);
    spell.freeTogether = Math.max(spell.freeTogether, this.#mostTogether());
    spell.started += start.length;
  }

  #need(id: JobId): number {
    const { gpus, range } = this.#specs.get(id)!;
    return range?.min ?? gpus;
  }

  #behind(free: number): JobId | undefined {
    const [first] = this.#waiting;
    return first !== undefined && first !== this.#id && this.#need(first) > free ? first : undefined;
  }

  #mostTogether(): number {
    let most = 0;
    for (const free of this.#free) if (free > most) most = free;
    return most;
  }

  #beginWait(at: Seconds): void {
    if (this.#waitingSince !== undefined) return;
    this.#waitingSince = at;
    this.#placed = false;
    this.#spells.push(spellOf("undecided", at));
    for (const holding of this.#holdings.values()) holding.since = at;
  }

  #launched(at: Seconds): void {
    this.#endWait(at);
    this.#runningSince = at;
    const places = this.#holdings.get(this.#id)?.places ?? [];
    this.#moments.push({
      at,
      what: "started",
      detail: places.map(({ node, gpus }) => `${gpus} on node ${node}`).join(", "),
    });
  }

  #endWait(at: Seconds): void {
    if (this.#waitingSince === undefined) return;
    for (const [id, holding] of this.#holdings) this.#count(id, holding, at);
    this.#waited += at - this.#waitingSince;
    this.#waitingSince = undefined;
    this.#spells.at(-1)!.to = at;
  }

  #leftGpus(at: Seconds): void {
    if (this.#runningSince !== undefined) this.#ran += at - this.#runningSince;
    this.#runningSince = undefined;
  }

  #ended(at: Seconds, what: Moment["what"], detail: string): void {
    this.#release(this.#id, at);
    this.#endWait(at);
    this.#end ??= at;
    this.#moments.push({ at, what, detail });
  }

  #hold(id: JobId, places: readonly Share[], shared: boolean, at: Seconds): void {
    const gpus = shared ? 0 : gpusIn(places);
    this.#holdings.set(id, { places, gpus, since: at });
    if (!shared) for (const share of places) this.#free[share.node]! -= share.gpus;
  }

  #release(id: JobId, at: Seconds): void {
    const holding = this.#holdings.get(id);
    if (holding === undefined) return;
    this.#holdings.delete(id);
    if (holding.gpus > 0) for (const share of holding.places) this.#free[share.node]! += share.gpus;
    this.#count(id, holding, at);
  }

  /** What another job held while this one waited. */
  #count(id: JobId, { gpus, since, places }: Holding, at: Seconds): void {
    if (this.#waitingSince === undefined || id === this.#id) return;
    const spec = this.#specs.get(id)!;
    const held = (gpus === 0 ? gpusIn(places) : gpus) * (at - since);
    const rival = this.#rivals.get(id);
    if (rival !== undefined) rival.held += held;
    else {
      const { tenant, submit } = spec;
      this.#rivals.set(id, { id, tenant, gpus: spec.gpus, submit, held, overtook: false });
    }
  }

  /** `undefined` where the log knows no such job. */
  story(): WaitStory | undefined {
    const spec = this.#specs.get(this.#id);
    if (spec === undefined) return undefined;
    this.#endWait(this.#at);
    this.#leftGpus(this.#at);
    const later = (id: JobId): boolean => this.#specs.get(id)!.submit > spec.submit;
    for (const rival of this.#rivals.values()) rival.overtook = this.#started.has(rival.id) && later(rival.id);
    return {
      ...{ spec, waited: this.#waited, ran: this.#ran, moments: this.#moments },
      ...(this.#end !== undefined && { end: this.#end }),
      spells: this.#spells.filter(({ from, to }) => to > from),
      rivals: [...this.#rivals.values()].filter(({ held }) => held > 0).sort((a, b) => b.held - a.held),
      startedMeanwhile: this.#started.size,
      overtakers: [...this.#started].filter(later).length,
    };
  }
}

const spellOf = (reason: WaitReason, from: Seconds): Spell => ({
  ...{ reason, from, to: from, decisions: 0, freeLeast: Number.POSITIVE_INFINITY, freeMost: 0, freeTogether: 0 },
  started: 0,
});
