/**
 * Muri's testbed of 8 nodes with 8 V100 each, as a model: what its workloads need to start, and its controller, which stops and
 * launches everything again in each round of 360 s in which a job came or went.
 */
import type { JobId, JobSpec, Phases } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { TurnsLauncher } from "./turns-launcher.ts";

export const muriNodes: readonly NodeSpec[] = Array.from({ length: 8 }, (_, i) => ({
  id: `v100-${i}`,
  type: "v100",
  gpus: 8,
}));
export const muriRoundSeconds: Seconds = 360;

/** Seconds to start on 1, 2, 4, 8, 16 and 32 GPUs, as the authors measured them (`overhead_dict` of their simulator). */
const starts: Readonly<Record<string, readonly Seconds[]>> = {
  vgg16: [7, 7, 8, 9, 9, 10],
  vgg19: [7, 7, 8, 9, 10, 10],
  resnet18: [4, 5, 5, 7, 7, 7],
  shufflenet_v2_x1_0: [4, 4, 5, 5, 7, 8],
  bert: [10, 10, 10, 10, 10, 10],
  gpt2: [10, 10, 10, 10, 10, 10],
  a2c: [38, 39, 39, 46, 46, 46],
  dqn: [5, 5, 6, 6, 8, 8],
};

/**
 * What a launch took besides on the testbed, by the result files of SRTF and SRSF: seconds that 400 jobs each were executed, over
 * their profiled iterations and the starts above, by the number of launches (least squares, weighted by length). The contention
 * of groups was measured over whole intervals and has it in it.
 */
const launchSeconds: Seconds = 19.5;

/** Stages of an iteration on one GPU in seconds, about as the authors profiled them: loading, computing. */
const stages: readonly (readonly [model: string, load: Seconds, gpu: Seconds])[] = [
  ["vgg16", 0.08, 0.07],
  ["resnet18", 0.72, 0.11],
  ["shufflenet_v2_x1_0", 0.7, 0.06],
  ["bert", 0.001, 0.16],
  ["gpt2", 0.001, 0.41],
  ["a2c", 0.51, 0.014],
  ["dqn", 0.45, 0.008],
];

/** The i-th of these models for a job: its iterations and phases; gradients are exchanged where it has several GPUs. */
export function muriPhases(i: number, { gpus, duration = 0 }: JobSpec) {
  const [model, storage, gpu] = stages[i % stages.length]!;
  const phases: Phases = { storage, cpu: 0, gpu, network: gpus === 1 ? 0 : 0.07 };
  const iterations = Math.max(1, Math.round(duration / (storage + gpu + phases.network)));
  return { model, class: model, phases, iterations };
}

export function muriStart({ model = "", gpus }: JobSpec): Seconds {
  const row = Object.hasOwn(starts, model) ? starts[model] : undefined;
  return row?.[Math.min(row.length - 1, Math.ceil(Math.log2(gpus)))] ?? 10;
}

/**
 * The authors' simulator: everything starts again at every event, one job of a group after another. Where GPUs are shared, an end and
 * an arrival of these that are all but at the same time are one event; ends that are, unless jobs fall from queue to queue.
 */
export function muriSimulator({ arrivals = [], endsTogether = true }: MuriEvents = {}) {
  const times = arrivals.map(({ submit }) => submit).sort((a, b) => a - b);
  return (clock: Clock, report: (event: ClusterEvent) => void): TurnsLauncher =>
    new TurnsLauncher(clock, { report, arrivals: times, endsTogether, startSeconds: muriStart });
}

export interface MuriEvents {
  readonly arrivals?: readonly JobSpec[];
  readonly endsTogether?: boolean;
}

/**
 * The real runs: only rounds in which something happened start anew, and the jobs of a group start at once. A job's fall to the next
 * queue is such a thing: `limits` are the GPU-seconds of service at which jobs fall.
 */
export function muriTestbed(jobs: readonly JobSpec[], limits: readonly number[] = []) {
  return (clock: Clock, report: (event: ClusterEvent) => void): TurnsLauncher => {
    const changes = jobs.map(({ submit }) => submit);
    const services = new Services(jobs, limits);
    return new TurnsLauncher(clock, {
      report: (event) => {
        if (event.kind === "finished") changes.push(event.at);
        services.see(event);
        report(event);
      },
      startSeconds: muriStart,
      aloneSeconds: launchSeconds,
      atOnce: true,
      lastStart: true,
      relaunches: (before, now) => services.crossed(now) || changes.some((at) => at > before && at <= now),
    });
  };
}

/** What jobs that run have had, and the limits that they have passed. */
class Services {
  readonly #gpus: ReadonlyMap<JobId, number>;
  readonly #limits: readonly number[];
  readonly #had = new Map<JobId, number>();
  readonly #since = new Map<JobId, Seconds>();
  readonly #passed = new Map<JobId, number>();

  constructor(jobs: readonly JobSpec[], limits: readonly number[]) {
    this.#gpus = new Map(jobs.map(({ id, gpus }) => [id, gpus]));
    this.#limits = limits;
  }

  see(event: ClusterEvent): void {
    if (event.kind === "started") this.#since.set(event.job, event.at);
    if (event.kind !== "stopped" && event.kind !== "finished") return;
    this.#had.set(event.job, this.#at(event.job, event.at));
    this.#since.delete(event.job);
  }

  /** Whether somebody has passed a limit since this was asked. */
  crossed(now: Seconds): boolean {
    let some = false;
    for (const id of this.#since.keys()) {
      const passed = this.#limits.filter((limit) => limit <= this.#at(id, now)).length;
      some ||= passed > (this.#passed.get(id) ?? 0);
      this.#passed.set(id, passed);
    }
    return some;
  }

  #at(id: JobId, now: Seconds): number {
    return (this.#had.get(id) ?? 0) + (now - (this.#since.get(id) ?? now)) * this.#gpus.get(id)!;
  }
}
