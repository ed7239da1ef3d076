/**
 * Who waits, in lines of the fewest GPUs that they could run on, each by rank: a decision that deals GPUs out looks at those who get
 * some, and besides at one of each line, however many wait.
 */
import type { ClusterView } from "./decision.ts";
import type { JobView } from "./job.ts";
import { type InLine, JobLines, LineFronts, waits } from "./job-lines.ts";
import type { NodesView } from "./node.ts";

/** What lines are kept by; both stay the same while a job waits and the cluster has as many GPUs. */
export interface Claims {
  /** Lower first; among equals who runs, and then the lower turn. */
  rank(job: JobView): number;
  /** GPUs; who could use none at all is not kept. */
  least(job: JobView, nodes: NodesView): number;
}

/** In the line of its least. */
interface Entry extends InLine<number> {
  readonly rank: number;
  readonly turn: number;
  /** In which it came to the lines. */
  readonly order: number;
}

const compare = (a: Entry, b: Entry): number =>
  a.rank === b.rank ? a.turn - b.turn || a.order - b.order : a.rank < b.rank ? -1 : 1;

export class LeastLines {
  readonly #claims: Claims;
  readonly #lines = new JobLines<number, Entry>(compare);
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
    for (const { job } of this.#walked) if (!waits(job)) this.#lines.remove(job.spec.id);
    this.#walked.clear();
    const total = nodes.total();
    if (total !== this.#total) {
      this.#total = total;
      this.#lines.clear();
      for (const job of waiting) this.#add(job, nodes);
      return;
    }
    for (const { spec } of ended) this.#lines.remove(spec.id);
    for (const job of arrived) this.#add(job, nodes);
    for (const job of requeued) this.#add(job, nodes);
  }

  /** All who run and, of those who wait, those whose least is free when it is their turn; `free` falls while this is walked. */
  *walk(running: Iterable<JobView>, free: () => number): Iterable<JobView> {
    const { runs, ranks } = this.#running.byRank(running);
    const waiting = new LineFronts(compare);
    if (free() > 0) for (const line of this.#lines.lines.values()) waiting.open(line);
    let next = 0;
    for (;;) {
      const run = runs[next];
      const entry = firstWithin(waiting, free());
      if (run !== undefined && (entry === undefined || ranks[next]! <= entry.rank)) {
        next++;
        yield run;
      } else if (entry !== undefined) {
        this.#walked.add(entry);
        waiting.next();
        yield entry.job;
      } else return;
    }
  }

  /** Whether one of those that the last walk left out could run on so many GPUs, of a higher turn than this. */
  leaves(gpus: number, turn: number): boolean {
    for (const [least, line] of this.#lines.lines) {
      const last = line.last()!;
      if (least <= gpus && last.turn > turn && !this.#walked.has(last)) return true;
    }
    return false;
  }

  #add(job: JobView, nodes: NodesView): void {
    const least = waits(job) ? this.#claims.least(job, nodes) : 0;
    if (least === 0) this.#lines.remove(job.spec.id);
    else this.#lines.add({ job, line: least, rank: this.#claims.rank(job), turn: job.turn, order: this.#added++ });
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

/** The first of all lines that still fit; GPUs are never given back while they are dealt, so that others are closed. */
function firstWithin(waiting: LineFronts<Entry>, free: number): Entry | undefined {
  let first = waiting.peek();
  for (; first !== undefined && first.line > free; first = waiting.peek()) waiting.close();
  return first;
}
