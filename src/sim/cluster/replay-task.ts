/** One policy over one trace: what a worker is told, as plain data, and what it answers. */
import type { JobSpec } from "../../cluster/job.ts";
import type { LogHeader, LogLine } from "../../cluster/log.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import { createPolicy, type PolicyNames } from "../../cluster/policy.ts";
import type { ReportPolicy } from "../../cluster/report/columns.ts";
import type { Seconds } from "../../time/clock.ts";
import { type ClusterMetrics, ClusterReading } from "./metrics.ts";
import { modelFor, type RunCost } from "./model.ts";
import { ReportReading } from "./report-reading.ts";
import { headerOf, streamCluster } from "./simulate.ts";

export interface ReplayTask extends RunCost {
  readonly policy: PolicyNames;
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  /** Name of a model of what runs jobs; see `model.ts`. */
  readonly model: string;
  /** Where the model's tables are, if it reads any. */
  readonly tables?: string;
  readonly roundSeconds?: Seconds;
}

export interface Replayed {
  readonly policy: string;
  readonly metrics: ClusterMetrics;
  readonly columns: ReportPolicy;
  /** Decisions that were made. */
  readonly decisions: number;
}

/** Calls `progress` with the number of jobs that have ended, now and then. */
export async function replayTask(task: ReplayTask, progress: (ended: number) => void): Promise<Replayed> {
  const { jobs, nodes, policy } = task;
  const metrics = new ClusterReading(nodes, modelFor(task.model).fairness?.(task));
  const columns = new ReportReading(jobs.map(({ id }) => id));
  const every = Math.max(1, Math.floor(jobs.length / 100));
  let [ended, decisions] = [0, 0];
  await streamTask(task, (line) => {
    metrics.add(line);
    columns.add(line);
    if (line.kind === "decided") decisions++;
    else if (line.kind === "event" && line.event.kind === "finished" && ++ended % every === 0) progress(ended);
  });
  const found = metrics.metrics();
  const rho = Float64Array.from(found.jobs, (job) => job.rho ?? Number.NaN);
  return { policy: policy.name, metrics: found, columns: columns.policy(policy.name, rho), decisions };
}

/** The log of a task, line by line; returns its header. */
export async function streamTask(task: ReplayTask, log: (line: LogLine) => void): Promise<LogHeader> {
  const { model, policy: names, ...given } = task;
  const whole = modelFor(model).setup({ ...given, policy: await createPolicy(names) });
  streamCluster(whole, log);
  return headerOf(whole);
}
