/**
 * Clusters and traces, generated from a seed, for rigs and tests.
 *
 * Gangs and durations are drawn as Gavel's generator draws them (OSDI 2020, §7.1: most jobs have one GPU; most run for minutes to
 * hours, a fifth for up to a week), shortened by a constant so that a rig takes well under a second.
 */

import type { JobSpec, Phases } from "../../cluster/job.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import { UserError } from "../../core/errors.ts";
import { type Random, stream } from "../../core/random.ts";
import { fittedUtilisation } from "./contention.ts";
import { dynamicJobs } from "./gavel/dynamic-jobs.ts";
import { modelledLoss } from "./loss.ts";
import { muriPhases, muriSimulator } from "./muri-testbed.ts";
import type { ClusterSetup } from "./simulate.ts";
import { linearSpeed, type Speed, type SteadyOptions } from "./steady-launcher.ts";

export interface ClusterWorkload {
  readonly nodes: readonly NodeSpec[];
  readonly jobs: readonly JobSpec[];
  readonly speed: Speed;
  readonly loss?: NonNullable<SteadyOptions["loss"]>;
  readonly launchSeconds: number;
  readonly restartSeconds: number;
  readonly stopSeconds: number;
  readonly roundSeconds?: number;
  /** Another model than that of steady jobs. */
  readonly launcher?: ClusterSetup["launcher"];
  readonly leaseSeconds?: number;
  /** The scheduling entry, where another slot is measured and the baseline's order would hide what is compared. */
  readonly beside?: string;
}

/** So many nodes alike, in racks of eight. */
export const nodesOf = (count: number, gpus: number, type = "v100", from = 0): NodeSpec[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `${type}-${from + i}`,
    type,
    gpus,
    topology: [`rack${Math.floor((from + i) / 8)}`],
  }));

/** Classes of models: how well they scale, how much faster a v100 is than a k80, and which resource an iteration keeps busy. */
const classes = [
  { name: "vision", overhead: 0.06, v100: 1, k80: 0.22, phases: { storage: 0.3, cpu: 0.15, gpu: 0.45, network: 0.1 } },
  {
    name: "language",
    overhead: 0.12,
    v100: 1,
    k80: 0.45,
    phases: { storage: 0.05, cpu: 0.1, gpu: 0.55, network: 0.3 },
  },
  { name: "speech", overhead: 0.03, v100: 1, k80: 0.3, phases: { storage: 0.1, cpu: 0.55, gpu: 0.3, network: 0.05 } },
  {
    name: "recommendation",
    overhead: 0.25,
    v100: 1,
    k80: 0.8,
    phases: { storage: 0.5, cpu: 0.2, gpu: 0.2, network: 0.1 },
  },
] as const;

export type JobClass = (typeof classes)[number];

export const classOf = ({ class: name }: JobSpec): JobClass => classes.find((c) => c.name === name) ?? classes[0];

/** Throughput on `gpus` GPUs over `nodes` nodes against one GPU: concave, since the gradient's exchange grows, across nodes twice. */
export const concave = ({ overhead }: JobClass, gpus: number, nodes: number): number =>
  gpus / (1 + overhead * (nodes > 1 ? 2 : 1) * (gpus - 1));

/**
 * Each resource is used by turns: jobs on one GPU slow one another down only by what they use at once of the busiest. Alone on the
 * size and the type that it was measured on, a job's speed is 1.
 */
export const modelledSpeed: Speed = (job, gpus, nodes, type, beside) => {
  if (job.gpus === 0) return 1;
  const kind = classOf(job);
  const scale = concave(kind, gpus, nodes) / concave(kind, job.gpus, 1);
  const busiest = Math.max(...resources.map((r) => sumOf([job, ...beside], (other) => classOf(other).phases[r])));
  return (scale * (type === "k80" ? kind.k80 : kind.v100)) / Math.max(1, busiest);
};

const resources = ["storage", "cpu", "gpu", "network"] as const;
const sumOf = <T>(xs: readonly T[], value: (x: T) => number): number => xs.reduce((n, x) => n + value(x), 0);

interface Mix {
  readonly jobs: number;
  /** Seconds between submissions, on average. */
  readonly gap: number;
  /** Durations over those of Gavel's generator. */
  readonly shorten: number;
  readonly tenants: readonly number[];
  /** Parts of the jobs that have 1, 2, 4 and 8 GPUs. */
  readonly gangs?: readonly number[];
}

/** Jobs of `mix`; the same for the same seed. */
export function generateJobs(mix: Mix, seed: number): JobSpec[] {
  const random = stream(0xc105, seed);
  let submit = 0;
  return Array.from({ length: mix.jobs }, (_, i) => {
    submit += -Math.log(1 - random()) * mix.gap;
    return generateJob(i, Math.round(submit), mix, random);
  });
}

function generateJob(i: number, submit: number, mix: Mix, random: Random): JobSpec {
  const gpus = choose([1, 2, 4, 8], mix.gangs ?? [0.7, 0.1, 0.15, 0.05], random());
  const long = random() < 0.2;
  const minutes = 10 ** (long ? 3 + random() : 1.5 + 1.5 * random());
  const duration = Math.max(1, Math.round((60 * minutes) / mix.shorten));
  const { name, phases } = classes[Math.floor(random() * classes.length)]!;
  // Thirds with a tight, a usual and a loose deadline.
  const slack = choose([1.2, 2, 10], [1 / 3, 1 / 3, 1 / 3], random());
  const tenant = choose(
    mix.tenants.map((_, t) => `tenant${t}`),
    mix.tenants,
    random(),
  );
  return {
    ...{ id: `job${i}`, submit, gpus, duration, tenant, class: name, model: name },
    range: { min: 1, max: Math.min(16, 4 * gpus) },
    iterations: duration,
    priority: random() < 0.2 ? 1 : 0,
    weight: 1,
    deadline: submit + slack * duration,
    phases: phases satisfies Phases,
  };
}

function choose<T>(values: readonly T[], weights: readonly number[], x: number): T {
  let left = x * sumOf(weights, (w) => w);
  for (const [i, value] of values.entries()) {
    left -= weights[i]!;
    if (left < 0) return value;
  }
  return values.at(-1)!;
}

/** One of the workloads that sharing was fitted to, by the job's number. */
function withUtilisation(job: JobSpec, i: number): JobSpec {
  const kinds = Object.entries(fittedUtilisation);
  const [model, utilisation] = kinds[i % kinds.length]!;
  return { ...job, model, utilisation };
}

/** Where a workload says nothing else. */
const usual = { speed: modelledSpeed, launchSeconds: 2, restartSeconds: 20, stopSeconds: 3 };
const mix: Mix = { jobs: 240, gap: 80, shorten: 10, tenants: [0.6, 0.3, 0.1] };

type Peculiar = Omit<ClusterWorkload, keyof typeof usual> & Partial<ClusterWorkload>;

const workloads: Readonly<Record<string, (seed: number) => Peculiar>> = {
  /** Alike nodes, nearly always too few. */
  "philly-like": (seed) => ({
    nodes: nodesOf(16, 4),
    jobs: generateJobs(mix, seed),
    loss: modelledLoss,
  }),
  /** Half of the nodes have GPUs that are slower, for some classes much slower than for others. */
  heterogeneous: (seed) => ({
    nodes: [...nodesOf(12, 4), ...nodesOf(12, 4, "k80", 12)],
    jobs: generateJobs({ ...mix, jobs: 240, gap: 25, shorten: 20 }, seed),
    roundSeconds: 60,
  }),
  /** The same in small, for policies that solve programs. */
  "two-types": (seed) => ({
    nodes: [...nodesOf(3, 4), ...nodesOf(3, 4, "k80", 3)],
    jobs: generateJobs({ ...mix, jobs: 70, gap: 80, shorten: 20 }, seed),
    roundSeconds: 60,
  }),
  /** Jobs whose batch size grows while they train, in leases. */
  dynamic: dynamicJobs,
  /** Mostly gangs, some wider than a node: where they run matters. */
  gangs: (seed) => ({
    nodes: nodesOf(16, 4),
    jobs: generateJobs({ ...mix, jobs: 160, gap: 120, gangs: [0.3, 0.3, 0.25, 0.15] }, seed),
  }),
  /** All at once: nothing but the order matters. */
  batch: (seed) => ({
    nodes: nodesOf(8, 4),
    jobs: generateJobs({ ...mix, jobs: 120, gap: 1 }, seed),
  }),
  /** Profiled workloads of eight models, modelled as Muri's simulator does. */
  interleaved: (seed) => ({
    nodes: nodesOf(4, 4),
    jobs: generateJobs({ ...mix, jobs: 70, gap: 60 }, seed).map((job, i) => ({ ...job, ...muriPhases(i, job) })),
    launcher: muriSimulator(),
  }),
  /** Gangs that exchange much, among small jobs: a gang in several nodes is far slower than in one. */
  locality: (seed) => ({
    nodes: nodesOf(12, 4),
    jobs: generateJobs({ ...mix, jobs: 200, gap: 200, gangs: [0.7, 0, 0.3, 0] }, seed).map((job) => {
      const { name, phases } = classes[job.gpus > 1 ? 3 : 2];
      return { ...job, class: name, model: name, phases };
    }),
    beside: "srtf",
  }),
  /** Gangs of two kinds among small jobs: those with one large tensor are slow across nodes, the others hardly. */
  skewed: (seed) => ({
    nodes: nodesOf(12, 4),
    jobs: generateJobs({ ...mix, jobs: 200, gap: 180, gangs: [0.6, 0, 0.4, 0] }, seed).map((job, i) => {
      const skewed = i % 2 === 0;
      const { name, phases } = classes[skewed ? 3 : 2];
      return { ...job, class: name, model: skewed ? "vgg16" : "resnet50", phases };
    }),
    beside: "srtf",
  }),
  /** Half of the GPUs idle, now and then too few. */
  idle: (seed) => ({
    nodes: nodesOf(8, 4),
    jobs: generateJobs({ ...mix, jobs: 120, gap: 300 }, seed),
  }),
  /** More jobs than fit, some of which keep a GPU busy and others not: who shares with whom matters. */
  "low-utilisation": (seed) => ({
    nodes: nodesOf(4, 4),
    jobs: generateJobs({ ...mix, jobs: 80, gap: 60, gangs: [0.75, 0.15, 0.1, 0] }, seed).map(withUtilisation),
    speed: linearSpeed,
    beside: "gandiva",
  }),
  /** A small cluster, decided in rounds, whose jobs can all be sized: for searches that take their time. */
  elastic: (seed) => ({
    nodes: nodesOf(4, 4),
    jobs: generateJobs({ ...mix, jobs: 24, gap: 120, shorten: 20 }, seed),
    roundSeconds: 300,
  }),
  /** As long as Gavel's generator draws them, ten times as long as the others here: for thresholds in GPU-hours. */
  "full-length": (seed) => ({
    nodes: nodesOf(16, 4),
    jobs: generateJobs({ ...mix, gap: 600, shorten: 1 }, seed),
  }),
  /** One tenant floods the cluster, two others submit now and then. */
  tenants: (seed) => ({
    nodes: nodesOf(8, 4),
    jobs: generateJobs({ ...mix, jobs: 160, gap: 120, tenants: [0.8, 0.1, 0.1] }, seed),
  }),
  /** Of two tenants with half of the nodes each, one has far more small jobs than fit; the other, gangs that need whole nodes. */
  "promised-nodes": (seed) => {
    const small = generateJobs({ ...mix, jobs: 260, gap: 10, tenants: [1] }, seed)
      .filter(({ gpus }) => gpus === 1)
      .map((job) => ({ ...job, duration: Math.min(job.duration!, 600) }));
    const gangs = generateJobs({ ...mix, jobs: 12, gap: 300, tenants: [1] }, seed + 1).map((job) => {
      const duration = Math.min(job.duration!, 400);
      return { ...job, id: `gang-${job.id}`, gpus: 8, taskGpus: 4, tenant: "gangs", duration };
    });
    const jobs = [...small, ...gangs].sort((a, b) => a.submit - b.submit);
    return { nodes: nodesOf(8, 4), jobs, beside: "in-priority" };
  },
};

export const clusterWorkloads = Object.keys(workloads);

export function clusterWorkload(name: string, seed = 1): ClusterWorkload {
  const make = Object.hasOwn(workloads, name) ? workloads[name] : undefined;
  if (make !== undefined) return { ...usual, ...make(seed) };
  throw new UserError(`There is no workload "${name}" of the cluster.`, `There are: ${clusterWorkloads.join(", ")}.`);
}
