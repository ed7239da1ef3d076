/**
 * Waiting jobs, offered to placement one by one, first first. Where a job finds no place, all that are like it are passed over, until
 * somebody has left: a decision costs as much as there are kinds of jobs that wait, whatever their number.
 */
import { Heap } from "../core/heap.ts";
import type { ClusterView, Offered, Start } from "./decision.ts";
import type { JobSpec, JobView } from "./job.ts";
import { type InLine, JobLines, waits } from "./job-lines.ts";

/** In a line of jobs that placement cannot tell apart, but for their names. */
interface Entry extends InLine<string> {
  readonly rank: number;
  readonly submit: number;
  /** In which they began to wait. */
  readonly order: number;
}

const compare = (a: Entry, b: Entry): number => a.rank - b.rank || a.submit - b.submit || a.order - b.order;

export class Offers {
  readonly #lines = new JobLines<string, Entry>(compare);
  readonly #rank: (job: JobView) => number;
  #order = 0;

  /** Lower first, then by submission. A rank is the same for jobs that are alike, and stays the same. */
  constructor(rank: (job: JobView) => number) {
    this.#rank = rank;
  }

  /** Takes in who arrived, left and came back. */
  sync({ arrived, requeued, ended }: ClusterView): void {
    for (const job of ended) this.#lines.remove(job.spec.id);
    for (const job of arrived) this.#add(job);
    for (const job of requeued) this.#add(job);
  }

  /** All who wait, first first. */
  all(): readonly JobView[] {
    const entries = [...this.#lines.entries()].filter(({ job }) => waits(job));
    return entries.sort(compare).map(({ job }) => job);
  }

  /** One start after another, as `Decision.offer` is asked for them. */
  begin(): (last: Offered | undefined) => Start | undefined {
    const open = new Heap<Entry>((a, b) => compare(a, b) < 0);
    const full: string[] = [];
    for (const line of this.#lines.lines.keys()) this.#advance(line, open, undefined);
    let current: Entry | undefined;
    return (last) => {
      if (current !== undefined) {
        const { line } = current;
        if (last === "unplaced") full.push(line);
        else {
          this.#lines.remove(current.job.spec.id);
          this.#advance(line, open, current);
          // Somebody has left: those that come after this one may fit again.
          if (last === "evicted") for (const other of full.splice(0)) this.#advance(other, open, current);
        }
      }
      current = open.pop();
      return current && { job: current.job.spec.id };
    };
  }

  /** The first of the line behind `after` is next. */
  #advance(line: string, open: Heap<Entry>, after: Entry | undefined): void {
    for (const entry of this.#lines.lines.get(line) ?? []) {
      if (after !== undefined && compare(entry, after) <= 0) continue;
      if (!waits(entry.job)) continue;
      open.push(entry);
      return;
    }
  }

  #add(job: JobView): void {
    const { spec } = job;
    if (!waits(job)) this.#lines.remove(spec.id);
    else this.#lines.add({ job, line: keyOf(spec), rank: this.#rank(job), submit: spec.submit, order: this.#order++ });
  }
}

const keyOf = ({ gpus, taskGpus, types, cell, tenant, priority, cpus, memoryBytes }: JobSpec): string =>
  [gpus, taskGpus, types?.join(" "), cell, tenant, priority, cpus, memoryBytes].join("|");
