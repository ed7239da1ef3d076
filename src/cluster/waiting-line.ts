/** An index for policies that stop nobody: jobs that wait, in lines (of a tenant, of a priority), each by rank. */
import type { ClusterView } from "./decision.ts";
import type { JobView } from "./job.ts";
import { type InLine, JobLines, waits } from "./job-lines.ts";

interface Entry extends InLine<string> {
  readonly rank: number;
  readonly order: number;
}

export class WaitingLines {
  readonly #lines = new JobLines<string, Entry>((a, b) => a.rank - b.rank || a.order - b.order);
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
    for (const { spec } of ended) this.#lines.remove(spec.id);
    for (const job of arrived) this.#add(job);
    for (const job of requeued) this.#add(job);
  }

  /** Lines in which someone waits. */
  names(): string[] {
    return [...this.#lines.lines.keys()].filter((name) => this.head(name) !== undefined);
  }

  /** The first in a line; `undefined` where nobody waits in it. */
  head(name: string): JobView | undefined {
    const line = this.#lines.lines.get(name);
    for (let first = line?.first(); first !== undefined; first = line!.first()) {
      if (waits(first.job)) return first.job;
      // Another part of the policy has started it.
      this.#lines.remove(first.job.spec.id);
    }
    return undefined;
  }

  /** All of a line, in order. */
  *walk(name: string): Iterable<JobView> {
    for (const { job } of this.#lines.lines.get(name) ?? []) if (waits(job)) yield job;
  }

  /** Takes a job out that is to start; it comes back with `requeued` if it does not. */
  take({ spec }: JobView): void {
    this.#lines.remove(spec.id);
  }

  #add(job: JobView): void {
    if (waits(job)) this.#lines.add({ job, line: this.#line(job), rank: this.#rank(job), order: this.#order++ });
    else this.#lines.remove(job.spec.id);
  }
}
