/** What a run or a replay came to, as `--json` prints it and in words. */
import { jobsInWords } from "../cluster/report/words.ts";
import type { ClusterMetrics, JobOutcome } from "../sim/cluster/metrics.ts";

/** Every job has the same keys: `null` for what never came, where it never started or never ended. */
export function metricsDocument(policy: string, metrics: Omit<ClusterMetrics, "queue">): object {
  return { policy, ...metrics, jobs: metrics.jobs.map(jobDocument) };
}

/** The usual job, which has them all, is not copied: there may be a million. */
function jobDocument(job: JobOutcome): object {
  const { id, submit, start = null, end = null, jct = null, rho = null, ended = null, ...rest } = job;
  return jct !== null && rho !== null ? job : { id, submit, start, end, jct, ...rest, rho, ended };
}

const reasons = {
  refused: "refused (it needs more than these nodes have)",
  rejected: "rejected by the policy",
  failed: "failed",
  waiting: "left waiting",
} as const;

/** Why jobs did not finish, where any did not. */
export function unfinishedInWords({ jobs }: Pick<ClusterMetrics, "jobs">): string | undefined {
  const counts = new Map<keyof typeof reasons, number>();
  for (const { ended = "waiting" } of jobs) {
    if (ended !== "finished") counts.set(ended, (counts.get(ended) ?? 0) + 1);
  }
  const parts = [...counts].map(([why, number]) => `${number} ${reasons[why]}`);
  if (parts.length === 0) return undefined;
  const total = [...counts.values()].reduce((a, b) => a + b, 0);
  return `${jobsInWords(total)} never finished: ${parts.join(", ")}`;
}
