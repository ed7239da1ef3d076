/** What the reader looks at: the jobs that count, the policy that is shown in full, the job that is picked. */
import type { Report, ReportPolicy } from "../../cluster/report/columns.ts";
import type { Mask } from "../../cluster/report/measure.ts";

type Change = "jobs" | "policy" | "picked" | "scheme";

export class State {
  readonly report: Report;
  mask: Mask;
  policyIndex = 0;
  /** Index of a job. */
  picked: number | undefined;
  readonly #watchers = new Map<Change, (() => void)[]>();

  constructor(report: Report) {
    this.report = report;
    this.mask = new Uint8Array(report.jobs.ids.length).fill(1);
  }

  get policy(): ReportPolicy {
    return this.report.policies[this.policyIndex]!;
  }

  on(changes: readonly Change[], act: () => void): void {
    for (const change of changes) this.#watchers.set(change, [...(this.#watchers.get(change) ?? []), act]);
  }

  changed(change: Change): void {
    for (const act of this.#watchers.get(change) ?? []) act();
  }

  pick(job: number | undefined): void {
    this.picked = job;
    this.changed("picked");
  }
}
