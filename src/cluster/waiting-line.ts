/** An index for policies that stop nobody: jobs that wait, in lines (of a tenant, of a priority), each by rank. */
import { SortedList } from "../core/sorted-list.ts";
import type { ClusterView } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";

interface Entry {
  readonly job: JobView;
  readonly line: string;
  readonly rank: number;
  readonly order: number;
}

export class WaitingLines {
  readonly #lines = new Map<string, SortedList<Entry>>();
  readonly #entries = new Map<JobId, Entry>();
  readonly #line: (job: JobView) => string;
  readonly #rank: (job: JobView) => number;
  #order = 0;

  /** Equal ranks stand in the order in which they came. A rank stays the same while the job waits. */
  constructor(line: (job: JobView) => string, rank: (job: JobView) => number = () => 0) {
    this.#line = line;
    this.#rank = rank;
  }

  /** Takes in who arrived, left and came back. */
  sync({ arrived, requeued, ended }: ClusterView): void {
    for (const job of ended) this.#remove(job);
    for (const job of arrived) this.#add(job);
    for (const job of requeued) this.#add(job);
  }

  /** Lines in which someone waits. */
  names(): string[] {
    return [...this.#lines.keys()].filter((name) => this.head(name) !== undefined);
  }

  /** The first in a line; `undefined` where nobody waits in it. */
  head(name: string): JobView | undefined {
    const line = this.#lines.get(name);
    for (let first = line?.first(); first !== undefined; first = line!.first()) {
      if (waits(first.job)) return first.job;
      // Another part of the policy has started it.
      this.#remove(first.job);
    }
    return undefined;
  }

  /** All of a line, in order. */
  *walk(name: string): Iterable<JobView> {
    for (const { job } of this.#lines.get(name) ?? []) if (waits(job)) yield job;
  }

  /** Takes a job out that is to start; it comes back with `requeued` if it does not. */
  take(job: JobView): void {
    this.#remove(job);
  }

  #add(job: JobView): void {
    this.#remove(job);
    if (!waits(job)) return;
    const entry = { job, line: this.#line(job), rank: this.#rank(job), order: this.#order++ };
    this.#entries.set(job.spec.id, entry);
    const line = this.#lines.get(entry.line) ?? new SortedList<Entry>((a, b) => a.rank - b.rank || a.order - b.order);
    this.#lines.set(entry.line, line);
    line.add(entry);
  }

  #remove({ spec: { id } }: JobView): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const line = this.#lines.get(entry.line)!;
    line.delete(entry);
    if (line.size === 0) this.#lines.delete(entry.line);
  }
}

const waits = ({ state, places }: JobView): boolean =>
  places.length === 0 && (state === "waiting" || state === "stopping");
