/**
 * Who waits, in lines of the fewest GPUs that they could run on, each by rank: a decision that deals GPUs out looks at those who get
 * some, and besides at one of each line, however many wait.
 */
import { Heap } from "../core/heap.ts";
import { SortedList } from "../core/sorted-list.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import type { NodesView } from "./node.ts";

/** What lines are kept by; both stay the same while a job waits and the cluster has as many GPUs. */
export interface Claims {
  /** Lower first; among equals who runs, and then the lower turn. */
  rank(job: JobView): number;
  /** GPUs; who could use none at all is not kept. */
  least(job: JobView, nodes: NodesView): number;
}

interface Entry {
  readonly rank: number;
  readonly least: number;
  readonly job: JobView;
  readonly turn: number;
  /** In which it came to the lines. */
  readonly order: number;
}

type Line = SortedList<Entry>;

/** The first of a line that has not been looked at, and those behind it. */
interface Cursor {
  readonly entry: Entry;
  readonly rest: Iterator<Entry>;
}

const compare = (a: Entry, b: Entry): number =>
  a.rank === b.rank ? a.turn - b.turn || a.order - b.order : a.rank < b.rank ? -1 : 1;

export class LeastLines {
  readonly #claims: Claims;
  readonly #lines = new Map<number, Line>();
  readonly #entries = new Map<JobId, Entry>();
  /** By the last walk; another part of the policy may have started them. */
  readonly #walked = new Set<Entry>();
  readonly #running: RunningRanks;
  #total: number | undefined;
  #added = 0;

  constructor(claims: Claims) {
    this.#claims = claims;
    this.#running = new RunningRanks(claims);
  }

  /** Takes in who arrived, left and came back; all anew where the cluster has another number of GPUs. */
  sync({ arrived, requeued, ended, waiting, nodes }: ClusterView): void {
    for (const { job } of this.#walked) if (!waits(job)) this.#remove(job.spec.id);
    this.#walked.clear();
    const total = nodes.total();
    if (total !== this.#total) {
      this.#total = total;
      this.#lines.clear();
      this.#entries.clear();
      for (const job of waiting) this.#add(job, nodes);
      return;
    }
    for (const { spec } of ended) this.#remove(spec.id);
    for (const job of arrived) this.#add(job, nodes);
    for (const job of requeued) this.#add(job, nodes);
  }

  /** All who run and, of those who wait, those whose least is free when it is their turn; `free` falls while this is walked. */
  *walk(running: Iterable<JobView>, free: () => number): Iterable<JobView> {
    const { runs, ranks } = this.#running.byRank(running);
    const open = new Heap<Cursor>((a, b) => compare(a.entry, b.entry) < 0);
    if (free() > 0) for (const line of this.#lines.values()) this.#advance(line[Symbol.iterator](), open);
    let next = 0;
    for (;;) {
      const run = runs[next];
      const cursor = first(open, free());
      if (run !== undefined && (cursor === undefined || ranks[next]! <= cursor.entry.rank)) {
        next++;
        yield run;
      } else if (cursor !== undefined) {
        open.pop();
        this.#walked.add(cursor.entry);
        this.#advance(cursor.rest, open);
        yield cursor.entry.job;
      } else return;
    }
  }

  /** Whether one of those that the last walk left out could run on so many GPUs, of a higher turn than this. */
  leaves(gpus: number, turn: number): boolean {
    for (const [least, line] of this.#lines) {
      const last = line.last()!;
      if (least <= gpus && last.turn > turn && !this.#walked.has(last)) return true;
    }
    return false;
  }

  #advance(rest: Iterator<Entry>, open: Heap<Cursor>): void {
    const { done, value } = rest.next();
    if (!done) open.push({ entry: value, rest });
  }

  #add(job: JobView, nodes: NodesView): void {
    this.#remove(job.spec.id);
    if (!waits(job)) return;
    const least = this.#claims.least(job, nodes);
    if (least === 0) return;
    const entry = { rank: this.#claims.rank(job), least, job, turn: job.turn, order: this.#added++ };
    this.#entries.set(job.spec.id, entry);
    const line = this.#lines.get(least) ?? new SortedList<Entry>(compare);
    this.#lines.set(least, line);
    line.add(entry);
  }

  #remove(id: JobId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const line = this.#lines.get(entry.least)!;
    line.delete(entry);
    if (line.size === 0) this.#lines.delete(entry.least);
  }
}

/** Who runs, by rank and turn; kept from one look to the next, since ranks stay the same. */
class RunningRanks {
  readonly #claims: Claims;
  #runs: readonly JobView[] = [];
  #ranks: readonly number[] = [];
  #turns: readonly number[] = [];
  /** The highest. */
  #last = -1;

  constructor(claims: Claims) {
    this.#claims = claims;
  }

  byRank(running: Iterable<JobView>): { readonly runs: readonly JobView[]; readonly ranks: readonly number[] } {
    const fresh: { readonly job: JobView; readonly rank: number }[] = [];
    const last = this.#last;
    for (const job of running) {
      if (job.turn <= last) continue;
      fresh.push({ job, rank: this.#claims.rank(job) });
      this.#last = job.turn;
    }
    fresh.sort((a, b) => (a.rank === b.rank ? 0 : a.rank < b.rank ? -1 : 1));
    const [runs, ranks, turns]: [JobView[], number[], number[]] = [[], [], []];
    const add = (job: JobView, rank: number, turn: number): void => {
      runs.push(job);
      ranks.push(rank);
      turns.push(turn);
    };
    let next = 0;
    for (const [i, job] of this.#runs.entries()) {
      const [rank, turn] = [this.#ranks[i]!, this.#turns[i]!];
      if (job.places.length === 0 || job.turn !== turn) continue;
      // A fresh one has the higher turn.
      for (let one = fresh[next]; one !== undefined && one.rank < rank; one = fresh[++next])
        add(one.job, one.rank, one.job.turn);
      add(job, rank, turn);
    }
    for (let one = fresh[next]; one !== undefined; one = fresh[++next]) add(one.job, one.rank, one.job.turn);
    [this.#runs, this.#ranks, this.#turns] = [runs, ranks, turns];
    return { runs, ranks };
  }
}

/** The cursor at the first of all lines that still fit; GPUs are never given back while they are dealt, so that others are closed. */
function first(open: Heap<Cursor>, free: number): Cursor | undefined {
  let top = open.peek();
  for (; top !== undefined && top.entry.least > free; top = open.peek()) open.pop();
  return top;
}

const waits = ({ state, places }: JobView): boolean =>
  places.length === 0 && (state === "waiting" || state === "stopping");
