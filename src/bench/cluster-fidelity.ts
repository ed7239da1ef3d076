/**
 * A cluster's simulation against the cluster: 40 jobs on a real Slurm, time-scaled, under one policy after another; the same engine over
 * the model of steady jobs, whose costs of launching, leaving and resuming are measured beside it, on nodes of their own: a machine
 * that others use is not as fast a minute later.
 *
 *     calibrate ──► costs ──► simulate ─┐
 *     run on the cluster ──► log ───────┴─► average JCT and makespan, beside each other;  log ──► replayed in virtual time: equal
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterTask, progressModel } from "../cli/cluster-task.ts";
import type { ClusterSetup, Report } from "../cluster/cluster.ts";
import { clusters } from "../cluster/clusters.ts";
import type { JobSpec } from "../cluster/job.ts";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { LogLine } from "../cluster/log.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { createPolicy, namePolicy, type PolicyOptions } from "../cluster/policy.ts";
import { openSession } from "../cluster/session.ts";
import { plain } from "../cluster/trace/format.ts";
import { stream } from "../core/random.ts";
import { mean } from "../core/statistics.ts";
import { clusterMetrics } from "../sim/cluster/metrics.ts";
import { firstDifference, replayCluster } from "../sim/cluster/replay.ts";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import type { SteadyOptions } from "../sim/cluster/steady-launcher.ts";
import { loadCombination } from "../system/combination.ts";
import type { Clock } from "../time/clock.ts";
import type { Bench } from "./terms.ts";

/** Seconds of the trace in a second of the wall. */
const scale = 30;
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
    return { ...job, deadline: job.submit + 4 * duration, range: { min: Math.max(1, gpus / 2), max: 2 * gpus } };
  });
}

/** Starts jobs, stops them after a while, resumes them to their end; what that took beyond their work. */
export async function calibrate(on: string, nodes: readonly NodeSpec[], isOver: () => boolean): Promise<Costs> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-calibration-"));
  const ends = new Map<string, (kind: string) => void>();
  const report: Report = (event) => {
    if ("attempt" in event && event.kind !== "started") ends.get(`${event.job}/${event.attempt}`)?.(event.kind);
  };
  const work = 5;
  const jobOf = (id: string): JobSpec => ({ ...plain, id, submit: 0, gpus: 1, duration: work });
  const task = clusterTask({ jobs: [], path: folder, scale: 1, commands: false });
  const setup: ClusterSetup = {
    ...{ folder, id: "calibration", nodes, report, options: settings, warn: () => {} },
    task: (run) => task(run, cluster.nodes),
  };
  const cluster = await (await clusters[on]!()).open(setup);
  await cluster.adopt([]);
  const now = (): number => performance.now() / 1e3;
  const ended = (run: string, wanted: string): Promise<number> =>
    new Promise((wake, fail) =>
      ends.set(run, (kind) =>
        kind === wanted ? wake(now()) : fail(new Error(`${run} has ${kind}, and not ${wanted}`)),
      ),
    );
  const runOnce = async (job: JobSpec, attempt: number, node: number): Promise<number> => {
    const end = ended(`${job.id}/${attempt}`, "finished");
    const began = now();
    cluster.start({ job, attempt, places: [{ node, gpus: 1 }], beside: [] });
    return (await end) - began;
  };
  const one = async (job: JobSpec, i: number): Promise<Costs> => {
    const node = i % cluster.nodes.length;
    if (i % 2 === 0) return { launchSeconds: (await runOnce(job, 0, node)) - work, restartSeconds: 0, stopSeconds: 0 };
    const left = ended(`${job.id}/0`, "stopped");
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
    do {
      const jobs = nodes.map((_, i) => jobOf(`c${found.length + i}`));
      found.push(...(await Promise.all(jobs.map(one))));
    } while (!isOver());
    return meanCosts(found);
  } finally {
    await cluster.close("stop");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of jobs that ran through, and of those that were stopped once: the first tell of a launch, the others of both launches together. */
function meanCosts(found: readonly Costs[]): Costs {
  const of = (name: keyof Costs): number => mean(found.flatMap((costs) => (costs[name] > 0 ? [costs[name]] : [])))!;
  const launchSeconds = of("launchSeconds");
  // The model is to lose as much between the two launches as the job did.
  return {
    launchSeconds,
    restartSeconds: Math.max(0, of("restartSeconds") - 2 * launchSeconds),
    stopSeconds: of("stopSeconds"),
  };
}

const pause = (milliseconds: number): Promise<void> => new Promise((wake) => setTimeout(wake, milliseconds));

export interface RealSetup {
  readonly on: string;
  readonly policy: string;
  readonly options?: PolicyOptions;
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  /** Seconds of the trace in a second of the wall. */
  readonly timeScale?: number;
  readonly roundSeconds?: number;
}

export interface RealRun extends RealSetup {
  readonly log: readonly LogLine[];
  /** Where the decisions, made again from the log, differ from it. */
  readonly difference: string | undefined;
}

/** The jobs for real, and their log replayed. Fails where a job that was not rejected did not run to its end, or ran twice. */
export async function runForReal(setup: RealSetup): Promise<RealRun> {
  const { on, policy, options, jobs, nodes, timeScale = scale, roundSeconds } = setup;
  const names = await namePolicy(policy, options, loadCombination);
  const state = mkdtempSync(join(tmpdir(), "heddle-fidelity-"));
  const rounds = roundSeconds === undefined ? {} : { roundSeconds };
  const log: LogLine[] = [];
  try {
    const session = await openSession({
      ...{ state, on, policy: names, jobs, timeScale, nodes, options: settings, ...rounds },
      task: clusterTask({ jobs, path: state, scale: timeScale, commands: false }),
      ...{ model: progressModel, warn: () => {}, log: (line) => log.push(line) },
      wall: () => performance.timeOrigin + performance.now(),
    });
    const found = session.cluster.nodes;
    await session.done.finally(() => session.close("stop"));
    const has = (id: string, name: string): boolean => existsSync(join(jobFolder(state, id), name));
    const rejected = new Set(log.flatMap((line) => (line.kind === "decided" ? line.reject : [])));
    const wrong = jobs
      .filter(({ id }) => has(id, "overlap") || has(id, "done") === rejected.has(id))
      .map(({ id }) => id);
    if (wrong.length > 0) {
      const how = wrong.map((id) => `${id} (${readdirSync(jobFolder(state, id)).join(" ")})`);
      throw new Error(`jobs that did not run once under ${policy}: ${how.join(", ")}`);
    }
    const launcher = (clock: Clock) => progressModel(clock, found);
    const again = replayCluster(log, { policy: await createPolicy(names), nodes: found, launcher, ...rounds });
    return { ...setup, nodes: found, log, difference: firstDifference(log, again) };
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** A real run beside the simulation of its jobs. */
async function compare(
  { policy, options, jobs, nodes, log, difference, roundSeconds }: RealRun,
  costs: Costs,
): Promise<Fidelity> {
  const names = await namePolicy(policy, options, loadCombination);
  // A real scheduler opens its cluster first: what came before it was there comes then.
  const ready = log[0]?.at ?? 0;
  const submitted = jobs.map((job) => ({ ...job, submit: Math.max(job.submit, ready) }));
  const simulation = simulateCluster({
    ...{ jobs: submitted, nodes, policy: await createPolicy(names) },
    steady: {
      launchSeconds: costs.launchSeconds * scale,
      restartSeconds: costs.restartSeconds * scale,
      stopSeconds: costs.stopSeconds * scale,
    },
    ...(roundSeconds !== undefined && { roundSeconds }),
  });
  const [measured, simulated] = [clusterMetrics(log, nodes), clusterMetrics(simulation, nodes)];
  return {
    ...{ policy, finished: measured.finished, restarts: measured.restarts, difference },
    measured: { averageJct: measured.averageJct, makespan: measured.makespan },
    simulated: { averageJct: simulated.averageJct, makespan: simulated.makespan },
  };
}

/** Nodes of a Slurm that `bench/peers/slurm.sh up FOLDER 20` has started, in fours: what one policy gets. */
export const fourNodes = (group: number): NodeSpec[] =>
  [0, 1, 2, 3].map((i) => ({ id: `n${4 * group + i}`, type: "v100", gpus: 4 }));

/** Policies whose fidelity is promised; Gavel's rounds as long as these jobs want them, in seconds of the trace. */
export const fidelityPolicies: Readonly<Record<string, { readonly options?: PolicyOptions }>> = {
  fifo: {},
  tiresias: {},
  gavel: { options: { gavel: { round: 120, reset: 120 } } },
  elasticflow: {},
};

/** All of them at once, each on nodes of its own, and the calibration on four more. */
export async function fidelities(
  count: number,
): Promise<{ readonly costs: Costs; readonly found: readonly Fidelity[] }> {
  const jobs = fidelityJobs(count);
  let over = false;
  const runs = Object.entries(fidelityPolicies).map(([policy, given], group) =>
    runForReal({ on: "slurm", policy, jobs, nodes: fourNodes(group), ...given }),
  );
  const all = Promise.all(runs).finally(() => (over = true));
  const [costs, real] = await Promise.all([calibrate("slurm", fourNodes(4), () => over), all]);
  return { costs, found: await Promise.all(real.map((run) => compare(run, costs))) };
}

export async function run(bench: Bench): Promise<void> {
  const { costs, found } = await fidelities(bench.quick ? 8 : 40);
  bench.note({ name: "costs of a run on Slurm", ...costs });
  for (const { measured, simulated, difference, ...counts } of found) {
    const terms = { ...counts, decisionsEqual: difference === undefined };
    for (const metric of ["averageJct", "makespan"] as const) {
      const deviation = simulated[metric] / measured[metric] - 1;
      bench.note({ name: metric, ...terms, measured: measured[metric], simulated: simulated[metric], deviation });
    }
  }
}
