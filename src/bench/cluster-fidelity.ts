/**
 * A cluster's simulation against the cluster: 40 jobs on a real Slurm, time-scaled, under four policies at once; the same engine over
 * the model of steady jobs, where launching, leaving and resuming cost what was measured beside the run.
 *
 *     calibrate ──► costs ──► simulate ─┐
 *     run on the cluster ──► log ───────┴─► average JCT and makespan, beside each other;  log ──► replayed in virtual time: equal
 */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterTask, progressModel } from "../cli/cluster-task.ts";
import type { JobSpec } from "../cluster/job.ts";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { Launcher } from "../cluster/launcher.ts";
import type { LogLine } from "../cluster/log.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { createPolicy, namePolicy, type PolicyOptions } from "../cluster/policy.ts";
import { openSession } from "../cluster/session.ts";
import { plain } from "../cluster/trace/format.ts";
import { stream } from "../core/random.ts";
import { mean } from "../core/statistics.ts";
import { type ClusterMetrics, clusterMetrics } from "../sim/cluster/metrics.ts";
import { firstDifference, replayCluster } from "../sim/cluster/replay.ts";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import { SteadyLauncher, type SteadyOptions } from "../sim/cluster/steady-launcher.ts";
import { loadCombination } from "../system/combination.ts";
import type { Clock } from "../time/clock.ts";
import { costsOf, pooled, type RunCosts } from "./run-costs.ts";
import type { Bench } from "./terms.ts";

/** Seconds of the trace in a second of the wall. */
const scale = 30;
const settings = { pollSeconds: "0.2" };

/** Real runs of the trace: each takes two minutes and a half. */
const repeatsMax = 3;
/** Simulations for each real run: where what a launch costs decides who comes into a round, one of them says little. */
const simulations = 10;

type Figures = Pick<ClusterMetrics, "averageJct" | "makespan" | "restarts" | "finished">;

export interface Fidelity {
  readonly policy: string;
  readonly measured: Figures;
  readonly simulated: readonly Figures[];
  readonly costs: RunCosts;
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
  readonly costs: RunCosts;
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
    const { epoch } = session.header;
    const costs = costsOf(log, state, (at) => epoch + (at / timeScale) * 1e3);
    return { ...setup, nodes: found, log, costs, difference: firstDifference(log, again) };
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** One simulation of a real run's jobs. Each launch and leave costs what one of those measured did, drawn by the seed. */
async function simulate(
  { policy, options, jobs, nodes, log, timeScale = scale, roundSeconds }: RealRun,
  costs: RunCosts,
  seed: number,
): Promise<Figures> {
  const names = await namePolicy(policy, options, loadCombination);
  const random = stream(seed);
  const drawn = (of: readonly number[]): number => timeScale * (of[Math.floor(random() * of.length)] ?? 0);
  const cost: Omit<SteadyOptions, "report"> = {
    launchSeconds: ({ attempt }) => drawn(attempt === 0 ? costs.launch : costs.resume),
    hearSeconds: () => drawn(costs.hear),
    stopSeconds: () => drawn(costs.stop),
    endSeconds: () => drawn(costs.end),
  };
  // A real scheduler opens its cluster first: what came before it was there comes then.
  const ready = log[0]?.at ?? 0;
  const simulation = simulateCluster({
    jobs: jobs.map((job) => ({ ...job, submit: Math.max(job.submit, ready) })),
    ...{ nodes, policy: await createPolicy(names) },
    launcher: (clock, report) => asTold(new SteadyLauncher(clock, nodes, { ...cost, report }), clock, nodes),
    ...(roundSeconds !== undefined && { roundSeconds }),
  });
  return figuresOf(simulation, nodes);
}

/** Policies of a real run are told of progress by a model that knows no costs: so they are in its simulation. */
function asTold(truth: Launcher, clock: Clock, nodes: readonly NodeSpec[]): Launcher {
  const told = progressModel({ now: () => clock.now(), at: () => undefined }, nodes);
  return {
    start(run) {
      told.start(run);
      truth.start(run);
    },
    stop(job, attempt) {
      told.stop(job, attempt);
      truth.stop(job, attempt);
    },
    outlook: (job) => told.outlook?.(job),
  };
}

function figuresOf(log: readonly LogLine[], nodes: readonly NodeSpec[]): Figures {
  const { averageJct, makespan, restarts, finished } = clusterMetrics(log, nodes);
  return { averageJct, makespan, restarts, finished };
}

/** A real run beside the mean of its simulations. */
export async function compare(run: RealRun, all: readonly RealRun[], seed: number): Promise<Fidelity> {
  const costs = pooled(
    run.costs,
    all.map((one) => one.costs),
  );
  const simulated: Figures[] = [];
  for (let i = 0; i < simulations; i++) simulated.push(await simulate(run, costs, 1000 * seed + i));
  return { policy: run.policy, difference: run.difference, costs, measured: figuresOf(run.log, run.nodes), simulated };
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

/** All of them at once, each on nodes of its own, and their simulations. */
export async function fidelities(jobs: readonly JobSpec[], seed: number): Promise<readonly Fidelity[]> {
  const runs = Object.entries(fidelityPolicies).map(([policy, given], group) =>
    runForReal({ on: "slurm", policy, jobs, nodes: fourNodes(group), ...given }),
  );
  const real = await Promise.all(runs);
  const found: Fidelity[] = [];
  for (const run of real) found.push(await compare(run, real, seed));
  return found;
}

const metrics = ["averageJct", "makespan", "restarts"] as const;

export async function run(bench: Bench): Promise<void> {
  const repeats = Math.min(bench.repeat, repeatsMax);
  const jobs = fidelityJobs(bench.quick ? 8 : 40, bench.seed);
  const all: Fidelity[] = [];
  for (let repeat = 1; repeat <= repeats; repeat++) all.push(...(await fidelities(jobs, repeat)));
  for (const policy of Object.keys(fidelityPolicies)) {
    const mine = all.filter((one) => one.policy === policy);
    const decisionsEqual = mine.every(({ difference }) => difference === undefined);
    const terms = { policy, seed: bench.seed, finished: mine[0]!.measured.finished, decisionsEqual };
    const cost = (name: keyof RunCosts) => spreadOf(mine.flatMap(({ costs }) => costs[name]));
    const costs = { launch: cost("launch"), resume: cost("resume"), stop: cost("stop"), end: cost("end") };
    bench.note({ name: "seconds of the wall that a run costs", policy, ...costs });
    for (const metric of metrics) {
      const measured = spreadOf(mine.map((one) => one.measured[metric]));
      const simulated = spreadOf(mine.flatMap((one) => one.simulated.map((figures) => figures[metric])));
      const deviation = simulated && measured ? simulated.mean / measured.mean - 1 : undefined;
      bench.note({ name: metric, ...terms, measured, simulated, deviation });
    }
  }
}

/** `spread` is that from the least to the most, of the mean. */
function spreadOf(values: readonly number[]) {
  const average = mean(values);
  if (average === undefined) return undefined;
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return { mean: average, least, most, spread: (most - least) / average, times: values.length };
}
