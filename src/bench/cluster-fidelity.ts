/**
 * A cluster's simulation against the cluster: 40 jobs on a real Slurm, time-scaled, under one policy after another; the same engine over
 * the model of steady jobs, whose costs of launching, leaving and resuming were measured on that cluster before.
 *
 *     calibrate ──► costs ──► simulate ─┐
 *     run on the cluster ──► log ───────┴─► average JCT and makespan, beside each other;  log ──► replayed in virtual time: equal
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterTask } from "../cli/cluster-task.ts";
import { type ClusterSetup, clusters, type Report } from "../cluster/cluster.ts";
import type { JobSpec } from "../cluster/job.ts";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { LogLine } from "../cluster/log.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { createPolicy, namePolicy } from "../cluster/policy.ts";
import { openSession } from "../cluster/session.ts";
import { plain } from "../cluster/trace/format.ts";
import { stream } from "../core/random.ts";
import { mean } from "../core/statistics.ts";
import { clusterMetrics } from "../sim/cluster/metrics.ts";
import { firstDifference, replayCluster } from "../sim/cluster/replay.ts";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import { SteadyLauncher, type SteadyOptions } from "../sim/cluster/steady-launcher.ts";
import { loadCombination } from "../system/combination.ts";
import type { Bench } from "./terms.ts";

/** Seconds of the trace in a second of the wall: a minute. */
const scale = 60;
const settings = { pollSeconds: "0.2" };

/** Seconds of the wall that a run loses when it begins, more when it resumes, and when it leaves. */
export type Costs = Required<Pick<SteadyOptions, "launchSeconds" | "restartSeconds" | "stopSeconds">>;

export interface Fidelity {
  readonly policy: string;
  readonly finished: number;
  readonly restarts: number;
  readonly measured: { readonly averageJct: number; readonly makespan: number };
  readonly simulated: { readonly averageJct: number; readonly makespan: number };
  /** Where the decisions, made again from the log, differ from it. */
  readonly difference: string | undefined;
}

/** Forty jobs of some minutes, most of them small, that come within two thirds of an hour to sixteen GPUs. */
export function fidelityJobs(count = 40, seed = 1): JobSpec[] {
  const random = stream(seed);
  const sizes = [1, 1, 1, 1, 1, 2, 2, 4, 4, 8];
  let submit = 0;
  return Array.from({ length: count }, (_, i) => {
    const gpus = sizes[Math.floor(random() * sizes.length)]!;
    const duration = Math.round(180 + 720 * random() ** 2);
    const job = { ...plain, id: `job-${i}`, submit: Math.round(submit), gpus, duration };
    submit += -Math.log(1 - random()) * 60;
    return { ...job, deadline: job.submit + 4 * duration, range: { min: gpus, max: gpus } };
  });
}

/** Starts jobs, stops them after a while, resumes them to their end; what that took beyond their work. */
export async function calibrate(on: string, rounds: number): Promise<Costs> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-calibration-"));
  const waiting = new Map<string, () => void>();
  const report: Report = (event) => {
    if ("job" in event && "attempt" in event) waiting.get(`${event.kind} ${event.job}/${event.attempt}`)?.();
  };
  const work = 3;
  const ids = Array.from({ length: rounds * 4 }, (_, i) => `c${i}`);
  const jobs: JobSpec[] = ids.map((id) => ({ ...plain, id, submit: 0, gpus: 1, duration: work }));
  const task = clusterTask({ jobs, path: folder, scale: 1, commands: false });
  const setup: ClusterSetup = {
    ...{ folder, id: "calibration", report, options: settings, warn: () => {} },
    task: (run) => task(run, cluster.nodes),
  };
  const cluster = await (await clusters[on]!()).open(setup);
  await cluster.adopt([]);
  const now = (): number => performance.now() / 1e3;
  const heard = (event: string): Promise<number> => new Promise((wake) => waiting.set(event, () => wake(now())));
  const runOnce = async (job: JobSpec, attempt: number, node: number): Promise<number> => {
    const end = heard(`finished ${job.id}/${attempt}`);
    const began = now();
    cluster.start({ job, attempt, places: [{ node, gpus: 1 }], beside: [] });
    return (await end) - began;
  };
  const one = async (job: JobSpec, i: number): Promise<Costs> => {
    const node = i % cluster.nodes.length;
    if (i % 2 === 0) return { launchSeconds: (await runOnce(job, 0, node)) - work, restartSeconds: 0, stopSeconds: 0 };
    const left = heard(`stopped ${job.id}/0`);
    const began = now();
    cluster.start({ job, attempt: 0, places: [{ node, gpus: 1 }], beside: [] });
    while (!existsSync(join(jobFolder(folder, job.id), "lock"))) await pause(20);
    await pause(1000);
    const asked = now();
    cluster.stop(job.id, 0);
    const stopSeconds = (await left) - asked;
    const rest = await runOnce(job, 1, node);
    return { launchSeconds: 0, stopSeconds, restartSeconds: asked - began + rest - work };
  };
  try {
    const found: Costs[] = [];
    for (let round = 0; round < rounds; round++) {
      found.push(...(await Promise.all(jobs.slice(4 * round, 4 * round + 4).map((job, i) => one(job, i)))));
    }
    const launchSeconds = mean(found.flatMap(({ launchSeconds: s }) => (s > 0 ? [s] : [])))!;
    const both = mean(found.flatMap(({ restartSeconds: s }) => (s !== 0 ? [s] : [])))!;
    // A job that was stopped once has launched twice: the model is to lose as much between the two as the job did.
    const restartSeconds = Math.max(0, both - 2 * launchSeconds);
    return {
      launchSeconds,
      restartSeconds,
      stopSeconds: mean(found.flatMap(({ stopSeconds: s }) => (s > 0 ? [s] : [])))!,
    };
  } finally {
    await cluster.close("stop");
    rmSync(folder, { recursive: true, force: true });
  }
}

const pause = (milliseconds: number): Promise<void> => new Promise((wake) => setTimeout(wake, milliseconds));

export interface FidelitySetup {
  readonly on: string;
  readonly policy: string;
  readonly jobs: readonly JobSpec[];
  readonly costs: Costs;
  /** For Slurm, which of its nodes. */
  readonly nodes?: readonly NodeSpec[];
  readonly roundSeconds?: number;
}

/** The jobs for real, in the simulation, and the log of the real run replayed. */
export async function fidelityOf({ on, policy, jobs, costs, nodes, roundSeconds }: FidelitySetup): Promise<Fidelity> {
  const names = await namePolicy(policy, {}, loadCombination);
  const state = mkdtempSync(join(tmpdir(), "heddle-fidelity-"));
  const rounds = roundSeconds === undefined ? {} : { roundSeconds };
  const launchSeconds = costs.launchSeconds * scale;
  const steady = {
    ...{ launchSeconds, restartSeconds: costs.restartSeconds * scale, stopSeconds: costs.stopSeconds * scale },
  };
  const lines: LogLine[] = [];
  try {
    const session = await openSession({
      ...{ state, on, policy: names, jobs, timeScale: scale, options: settings, ...rounds },
      ...(nodes !== undefined && { nodes }),
      task: clusterTask({ jobs, path: state, scale, commands: false }),
      model: (clock, found) => new SteadyLauncher(clock, found, { ...steady, report: () => {} }),
      warn: () => {},
      log: (line) => lines.push(line),
      wall: () => performance.timeOrigin + performance.now(),
    });
    const found = session.cluster.nodes;
    await session.done.finally(() => session.close("stop"));
    const overlaps = jobs.filter(({ id }) => existsSync(join(jobFolder(state, id), "overlap")));
    const undone = jobs.filter(({ id }) => !/^\d+\n$/.test(readFileSync(join(jobFolder(state, id), "done"), "utf8")));
    if (overlaps.length + undone.length > 0) throw new Error(`jobs that ran twice: ${overlaps}; not once: ${undone}`);
    const fresh = await createPolicy(names);
    const again = replayCluster(lines, {
      ...{ policy: fresh, nodes: found, ...rounds },
      launcher: (clock) => new SteadyLauncher(clock, found, { ...steady, report: () => {} }),
    });
    const simulation = simulateCluster({ jobs, nodes: found, policy: await createPolicy(names), steady, ...rounds });
    const [measured, simulated] = [clusterMetrics(lines, found), clusterMetrics(simulation, found)];
    return {
      ...{ policy, finished: measured.finished, restarts: measured.restarts },
      measured: { averageJct: measured.averageJct, makespan: measured.makespan },
      simulated: { averageJct: simulated.averageJct, makespan: simulated.makespan },
      difference: firstDifference(lines, again),
    };
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** Policies whose fidelity is promised, with the length of their rounds in seconds of the trace. */
export const fidelityPolicies: Readonly<Record<string, { readonly roundSeconds?: number }>> = {
  fifo: {},
  las: {},
  srtf: {},
};

export async function run(bench: Bench): Promise<void> {
  const costs = await calibrate("slurm", bench.quick ? 1 : 2);
  bench.note({ name: "costs of a run on Slurm", ...costs });
  const jobs = fidelityJobs(bench.quick ? 8 : 40);
  for (const [policy, given] of Object.entries(fidelityPolicies)) {
    const { measured, simulated, difference, ...counts } = await fidelityOf({
      on: "slurm",
      policy,
      jobs,
      costs,
      ...given,
    });
    const terms = { ...counts, decisionsEqual: difference === undefined };
    for (const metric of ["averageJct", "makespan"] as const) {
      const deviation = simulated[metric] / measured[metric] - 1;
      bench.note({
        name: `${policy} ${metric}`,
        measured: measured[metric],
        simulated: simulated[metric],
        deviation,
        ...terms,
      });
    }
  }
}
