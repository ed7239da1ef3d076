/**
 * Who waits, by a rank, in lines of jobs that ask for the same: a decision that gives GPUs to the first that fit looks at those who
 * get some and at one more of each line, however many wait behind them.
 */
import { Heap } from "../core/heap.ts";
import { SortedList } from "../core/sorted-list.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import { type JobOrder, type Kinds, listed, orderOf } from "./job-order.ts";

interface Entry {
  readonly job: JobView;
  readonly rank: number;
  readonly turn: number;
  /** In which entries were made. */
  readonly order: number;
  readonly line: Line;
}

interface Line {
  readonly key: string;
  readonly gpus: number;
  readonly types: readonly string[] | undefined;
  readonly entries: SortedList<Entry>;
}

/** The first of a line that was not looked at, and those behind it. */
interface Cursor {
  readonly entry: Entry;
  readonly rest: Iterator<Entry>;
}

interface Ranked {
  readonly job: JobView;
  readonly rank: number;
}

const compare = (a: Entry, b: Entry): number =>
  a.rank !== b.rank ? (a.rank < b.rank ? -1 : 1) : a.turn - b.turn || a.order - b.order;

export class WaitingOrder {
  readonly #rank: (job: JobView) => number;
  readonly #lines = new Map<string, Line>();
  readonly #entries = new Map<JobId, Entry>();
  /** Who has not left its GPUs yet: what it did on them still changes its rank. */
  readonly #leaving = new Set<JobView>();
  /** Found to wait no more when they were looked at: another part of the policy may have started them. */
  #started: Entry[] = [];
  #made = 0;
  /** Sizes were others than jobs asked for, or a decision was skipped: who waits is to be ranked anew. */
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
      this.#entries.clear();
      this.#leaving.clear();
      for (const job of waiting) this.#add(job);
    } else {
      for (const job of ended) {
        this.#remove(job.spec.id);
        this.#leaving.delete(job);
      }
      for (const job of this.#leaving) this.#add(job);
      for (const job of arrived) this.#add(job);
      for (const job of requeued) this.#add(job);
    }
  }

  /** In place of `sync`, at a decision for which nobody looks at who waits. */
  skip(): void {
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
    const shows = ({ gpus, spec: { types } }: JobView): boolean => !full.has(gpus, types);
    for (const job of this.#walk(full)) {
      const { rank } = this.#entries.get(job.spec.id)!;
      for (let run = running[next]; run !== undefined && run.rank <= rank; run = running[next]) {
        next++;
        if (shows(run.job)) yield run.job;
      }
      if (shows(job)) yield job;
    }
    for (; next < running.length; next++) if (shows(running[next]!.job)) yield running[next]!.job;
  }

  *#walk(full: Kinds): Iterable<JobView> {
    const open = new Heap<Cursor>((a, b) => compare(a.entry, b.entry) < 0);
    for (const line of this.#lines.values()) {
      if (!full.has(line.gpus, line.types)) this.#advance(line.entries[Symbol.iterator](), open);
    }
    for (let cursor = open.pop(); cursor !== undefined; cursor = open.pop()) {
      const { line, job } = cursor.entry;
      if (full.has(line.gpus, line.types)) continue;
      yield job;
      if (!full.has(line.gpus, line.types)) this.#advance(cursor.rest, open);
    }
  }

  #add(job: JobView): void {
    const { state, turn } = job;
    if (state === "stopping") this.#leaving.add(job);
    else this.#leaving.delete(job);
    const known = this.#entries.get(job.spec.id);
    if (!waits(job)) {
      if (known !== undefined) this.#drop(known);
      return;
    }
    const rank = this.#rank(job);
    // It has left its GPUs, and stands where it stood.
    if (known?.turn === turn && known.rank === rank) return;
    if (known !== undefined) this.#drop(known);
    const { gpus, types } = job.spec;
    const key = types === undefined ? String(gpus) : `${gpus} ${types.join(" ")}`;
    const line = this.#lines.get(key) ?? { key, gpus, types, entries: new SortedList<Entry>(compare) };
    this.#lines.set(key, line);
    const entry = { job, rank, turn, order: this.#made++, line };
    this.#entries.set(job.spec.id, entry);
    line.entries.add(entry);
  }

  /** To the next of the line that waits. */
  #advance(rest: Iterator<Entry>, open: Heap<Cursor>): void {
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (waits(next.value.job)) {
        open.push({ entry: next.value, rest });
        return;
      }
      this.#started.push(next.value);
    }
  }

  #remove(id: JobId): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#drop(entry);
  }

  #drop(entry: Entry): void {
    const { id } = entry.job.spec;
    if (this.#entries.get(id) !== entry) return;
    this.#entries.delete(id);
    const { key, entries } = entry.line;
    entries.delete(entry);
    if (entries.size === 0) this.#lines.delete(key);
  }
}

function* merged(running: readonly Ranked[], waiting: readonly Ranked[]): Iterable<JobView> {
  yield* [...running, ...waiting].sort(byRank).map(({ job }) => job);
}

const byRank = (a: Ranked, b: Ranked): number => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1);

const waits = ({ state, places }: JobView): boolean =>
  places.length === 0 && (state === "waiting" || state === "stopping");
