/** A trace of Gavel or Shockwave under a policy, as their simulators run it, and the figures as they report them. */
import type { JobId, JobSpec } from "../../../cluster/job.ts";
import type { LogLine } from "../../../cluster/log.ts";
import type { NodeSpec } from "../../../cluster/node.ts";
import type { ClusterPolicy } from "../../../cluster/policy.ts";
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterSetup } from "../simulate.ts";
import { streamCluster } from "../simulate.ts";
import { LeaseLauncher } from "./lease-launcher.ts";
import { profileOf, staticFairness } from "./profile.ts";
import type { Throughputs } from "./throughputs.ts";

/** What a simulator takes for granted of leases. */
export interface LeaseRules {
  readonly roundSeconds: Seconds;
  /** Lost where a job begins or moves. */
  readonly restartSeconds: Seconds;
  /** A job that ran for so many times its profiled duration is taken as finished. */
  readonly overtime: number;
}

export const gavelRules: LeaseRules = { roundSeconds: 360, restartSeconds: 0, overtime: Number.POSITIVE_INFINITY };
export const shockwaveRules: LeaseRules = { roundSeconds: 120, restartSeconds: 20, overtime: 1.5 };
/** Of the runs that its artifact holds against a real cluster: a job that ran for longer than its profile says is done. */
export const comparisonRules: LeaseRules = { ...shockwaveRules, overtime: 1 };

export interface LeaseSetup extends LeaseRules {
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  readonly policy: ClusterPolicy;
  readonly throughputs: Throughputs;
}

export interface LeaseFigures {
  /** The end of the last round. */
  readonly makespan: Seconds;
  readonly averageJct: Seconds;
  /** By job, in the order of the trace; NaN for one that has not ended. */
  readonly jct: readonly Seconds[];
  readonly fairness: readonly number[];
  readonly worstFairness: number;
  /** Part of the jobs whose finish-time fairness is above 1.05. */
  readonly unfair: number;
  /** Who ran, by round. */
  readonly rounds: readonly (readonly JobId[])[];
}

/** One GPU a node, as the published simulators count them. */
export const singleGpuNodes = (counts: Readonly<Record<string, number>>): NodeSpec[] =>
  Object.entries(counts).flatMap(([type, n]) =>
    Array.from({ length: n }, (_, i) => ({ id: `${type}-${i}`, type, gpus: 1 })),
  );

/** The launcher of leases, for `simulateCluster`. */
export const leases = (
  setup: Omit<LeaseSetup, "policy" | "jobs">,
): Pick<ClusterSetup, "launcher" | "leaseSeconds"> => ({
  leaseSeconds: setup.roundSeconds,
  launcher: (clock, report) =>
    new LeaseLauncher(clock, {
      throughputs: setup.throughputs,
      nodes: setup.nodes,
      roundSeconds: setup.roundSeconds,
      restartSeconds: setup.restartSeconds,
      overtime: setup.overtime,
      reference: setup.nodes[0]!.type,
      report,
    }),
});

export function simulateLeases(setup: LeaseSetup): LeaseFigures {
  const { jobs, nodes, policy, throughputs } = setup;
  const ends = new Map<JobId, Seconds>();
  const running = new Set<JobId>();
  const rounds: JobId[][] = [];
  let makespan: Seconds = 0;
  const hear = (line: LogLine): void => {
    if (line.kind === "event" && line.event.kind === "round") makespan = line.at;
    if (line.kind === "event" && line.event.kind === "finished") {
      ends.set(line.event.job, line.event.at);
      running.delete(line.event.job);
    }
    if (line.kind !== "decided") return;
    for (const id of line.stop) running.delete(id);
    for (const { job } of line.start) running.add(job);
    if (running.size > 0) rounds.push([...running]);
  };
  streamCluster({ jobs, nodes, policy, ...leases(setup) }, hear);
  const jct = jobs.map(({ id, submit }) => (ends.get(id) ?? Number.NaN) - submit);
  const gpus = nodes.reduce((n, node) => n + node.gpus, 0);
  const fairness = jobs.map((job, i) =>
    staticFairness(jct[i]!, profileOf(job, throughputs, nodes[0]!.type).duration, jobs.length, gpus),
  );
  return {
    makespan,
    averageJct: jct.reduce((a, b) => a + b, 0) / jct.length,
    jct,
    fairness,
    worstFairness: fairness.reduce((a, b) => Math.max(a, b), 0),
    unfair: fairness.filter((rho) => rho > 1.05).length / jobs.length,
    rounds,
  };
}
