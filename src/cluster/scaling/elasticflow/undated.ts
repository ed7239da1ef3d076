/**
 * Promises where no job has a deadline: each gets its least size as soon as it is free, in the order of jobs. Who holds GPUs now follows
 * from what is free now, and when the plan changes next from those alone; the rest of the plan need not be made.
 */
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterView } from "../../decision.ts";
import { type Need, needOf, type Piece, throughputSizes } from "../../forecast.ts";
import type { JobId, JobView } from "../../job.ts";
import { LeastLines } from "../../least-lines.ts";

export interface Promised {
  readonly job: JobView;
  readonly need: Need;
  readonly pieces: readonly Piece[];
}

/** A job that ends before all that come before it, as promised. */
interface Earliest {
  readonly job: JobView;
  readonly end: Seconds;
  /** GPUs of all that come before it. */
  readonly before: number;
  /** Whether one that comes after it, and before the next of these, goes on when it ends. */
  outlasted: boolean;
}

/** One that was looked at, and gets nothing now. */
interface Left {
  readonly job: JobView;
  readonly least: number;
}

export class Undated {
  readonly #reserve: number;
  readonly #dated = new Set<JobId>();
  readonly #lines = new LeastLines({ rank: () => 0, least: (job, nodes) => throughputSizes(nodes, job)[0]!.gpus });
  /** Who came with the last decision: it stood behind all others then, and has its turn from now on. */
  #fresh: readonly JobView[] = [];
  #begun = false;

  constructor(reserve: number) {
    this.#reserve = reserve;
  }

  /** Whether nobody has a deadline. */
  get isAll(): boolean {
    return this.#dated.size === 0;
  }

  sync(view: ClusterView, fresh: ReadonlySet<JobView>): void {
    const arrived = this.#begun ? view.arrived : [...view.running, ...view.waiting];
    this.#begun = true;
    for (const { spec } of arrived) if (spec.deadline !== undefined) this.#dated.add(spec.id);
    for (const { spec } of view.ended) this.#dated.delete(spec.id);
    const waiting = { [Symbol.iterator]: () => [...view.waiting].filter((job) => !fresh.has(job))[Symbol.iterator]() };
    this.#lines.sync({ ...view, waiting, arrived: this.#fresh });
    this.#fresh = [...fresh];
  }

  /** Who runs and who is to start, in order; and when, after now, somebody has a piece of a plan that begins. */
  promise(view: ClusterView, fresh: ReadonlySet<JobView>): { promised: Promised[]; next: Seconds | undefined } {
    const { now, nodes, running } = view;
    const promised: Promised[] = [];
    const left: Left[] = [];
    const ends: Earliest[] = [];
    const total = nodes.total();
    let free = total;
    const look = (job: JobView): void => {
      const need = needOf(view, job, this.#reserve);
      const { gpus, rate } = need.sizes[0]!;
      const end = now + need.work / rate;
      const fits = gpus <= free;
      promised.push({ job, need, pieces: fits ? [{ from: now, to: end, gpus }] : [] });
      if (!fits) left.push({ job, least: gpus });
      else if (end > now) {
        seeEnd(ends, { job, end, before: total - free, outlasted: false }, need, now);
        free -= gpus;
      }
    };
    for (const job of this.#lines.walk(running, () => free)) look(job);
    for (const job of fresh) look(job);
    const level = ends.findLast((earliest) => {
      const room = total - earliest.before;
      return earliest.outlasted || this.#leaves(earliest.job, room, left, fresh);
    });
    return { promised, next: level?.end };
  }

  /** Whether one that gets nothing now comes after the job, and would fit into so many GPUs. */
  #leaves(job: JobView, room: number, left: readonly Left[], fresh: ReadonlySet<JobView>): boolean {
    const isFresh = fresh.has(job);
    const runs = job.places.length > 0;
    const comesAfter = (other: JobView): boolean =>
      fresh.has(other) ? !isFresh || other.turn > job.turn : runs && other.turn > job.turn;
    for (const other of left) if (comesAfter(other.job) && other.least <= room) return true;
    return !isFresh && this.#lines.leaves(room, runs ? Number.NEGATIVE_INFINITY : job.turn);
  }
}

function seeEnd(ends: Earliest[], found: Earliest, { work, sizes }: Need, now: Seconds): void {
  const last = ends.at(-1);
  if (last === undefined || found.end < last.end) ends.push(found);
  // What rounding leaves of the work is no further piece.
  else if (found.end > last.end && work - (last.end - now) * sizes[0]!.rate > 1e-9 * work) last.outlasted = true;
}
