/**
 * Who waits, by a rank, in lines of jobs that ask for the same: a decision that gives GPUs to the first that fit looks at those who
 * get some and at one more of each line, however many wait behind them.
 */
import { Pulled } from "../core/pulled.ts";
import type { ClusterView } from "./decision.ts";
import type { JobView } from "./job.ts";
import { type InLine, JobLines, LineFronts, waits } from "./job-lines.ts";
import { type JobOrder, type Kinds, listed, orderOf } from "./job-order.ts";

interface Entry extends InLine<string> {
  readonly rank: number;
  readonly turn: number;
  /** In which entries were made. */
  readonly order: number;
}

interface Ranked {
  readonly job: JobView;
  readonly rank: number;
}

const compare = (a: Entry, b: Entry): number =>
  a.rank !== b.rank ? (a.rank < b.rank ? -1 : 1) : a.turn - b.turn || a.order - b.order;

export class WaitingOrder {
  readonly #rank: (job: JobView) => number;
  readonly #lines = new JobLines<string, Entry>(compare);
  /** Who has not left its GPUs yet: what it did on them still changes its rank. */
  readonly #leaving = new Set<JobView>();
  /** Found to wait no more when they were looked at: another part of the policy may have started them. */
  #started: Entry[] = [];
  #made = 0;
  /** Sizes were others than jobs asked for, or a decision was not taken in: who waits is to be ranked anew. */
  #stale = false;

  /** Lower first, and among equals the lower turn. A rank stays the same while a job waits, once it has left its GPUs. */
  constructor(rank: (job: JobView) => number = () => 0) {
    this.#rank = rank;
  }

  /** Takes in who arrived, left and came back: to be called at each decision. */
  sync({ arrived, requeued, ended, waiting, sized }: ClusterView): void {
    for (const entry of this.#started) this.#drop(entry);
    this.#started = [];
    if (sized) {
      this.#stale = true;
    } else if (this.#stale) {
      this.#stale = false;
      this.#lines.clear();
      this.#leaving.clear();
      for (const job of waiting) this.#add(job);
    } else {
      for (const job of ended) {
        this.#lines.remove(job.spec.id);
        this.#leaving.delete(job);
      }
      for (const job of this.#leaving) this.#add(job);
      for (const job of arrived) this.#add(job);
      for (const job of requeued) this.#add(job);
    }
  }

  /** In place of `sync`, at a decision for which nobody looks at who waits: the next one to be taken in ranks all anew. */
  forget(): void {
    this.#stale = true;
  }

  /** Those of the view that wait. Where sizes change at every decision, there is nothing that was kept. */
  waiting(view: ClusterView): JobOrder {
    if (view.sized) return listed(() => this.#sorted(view.waiting).map(({ job }) => job));
    return orderOf((full) => this.#walk(full));
  }

  /** Those with those who run, who come first among equals, in the order of the view. */
  all(view: ClusterView): JobOrder {
    const running = this.#sorted(view.running);
    if (view.sized) return listed(() => merged(running, this.#sorted(view.waiting)));
    return orderOf((full) => this.#amid(running, full));
  }

  #sorted(jobs: Iterable<JobView>): Ranked[] {
    // Array.sort keeps the order of the view among equals.
    return Array.from(jobs, (job) => ({ job, rank: this.#rank(job) })).sort(byRank);
  }

  *#amid(running: readonly Ranked[], full: Kinds): Iterable<JobView> {
    let next = 0;
    for (const job of this.#walk(full)) {
      const { rank } = this.#lines.entry(job.spec.id)!;
      for (let run = running[next]; run !== undefined && run.rank <= rank; run = running[next]) {
        next++;
        if (!full.has(run.job)) yield run.job;
      }
      if (!full.has(job)) yield job;
    }
    for (; next < running.length; next++) if (!full.has(running[next]!.job)) yield running[next]!.job;
  }

  #walk(full: Kinds): Iterable<JobView> {
    let fronts: LineFronts<Entry> | undefined;
    let last: Entry | undefined;
    return new Pulled(() => {
      fronts ??= this.#fronts(full);
      if (last !== undefined) full.has(last.job) ? fronts.close() : fronts.next();
      last = fronts.peek();
      for (; last !== undefined && full.has(last.job); last = fronts.peek()) fronts.close();
      return last?.job;
    });
  }

  /** Of each line that is wanted. */
  #fronts(full: Kinds): LineFronts<Entry> {
    const fronts = new LineFronts<Entry>(compare, (entry) => {
      if (waits(entry.job)) return false;
      this.#started.push(entry);
      return true;
    });
    for (const line of this.#lines.lines.values()) {
      if (!full.has(line.first()!.job)) fronts.open(line);
    }
    return fronts;
  }

  #add(job: JobView): void {
    const { state, turn, spec } = job;
    if (state === "stopping") this.#leaving.add(job);
    else this.#leaving.delete(job);
    if (!waits(job)) {
      this.#lines.remove(spec.id);
      return;
    }
    const rank = this.#rank(job);
    const known = this.#lines.entry(spec.id);
    // It has left its GPUs, and stands where it stood.
    if (known?.turn === turn && known.rank === rank) return;
    const line = spec.types === undefined ? String(spec.gpus) : `${spec.gpus} ${spec.types.join(" ")}`;
    this.#lines.add({ job, rank, turn, order: this.#made++, line });
  }

  /** Unless its job has come back since. */
  #drop(entry: Entry): void {
    const { id } = entry.job.spec;
    if (this.#lines.entry(id) === entry) this.#lines.remove(id);
  }
}

function* merged(running: readonly Ranked[], waiting: readonly Ranked[]): Iterable<JobView> {
  yield* [...running, ...waiting].sort(byRank).map(({ job }) => job);
}

const byRank = (a: Ranked, b: Ranked): number => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1);
