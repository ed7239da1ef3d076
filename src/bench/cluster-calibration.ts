/**
 * What a cluster takes to begin a run, to begin it again from its checkpoint, and to end it: measured with jobs of some seconds, on nodes
 * of their own, while something else is measured on others. A machine that others use is not as fast a minute later.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterTask } from "../cli/cluster-task.ts";
import type { Cluster, Report } from "../cluster/cluster.ts";
import { clusters } from "../cluster/clusters.ts";
import type { JobSpec } from "../cluster/job.ts";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { plain } from "../cluster/trace/format.ts";
import { mean } from "../core/statistics.ts";

/** Seconds of the wall, each as often as it was measured. */
export interface Costs {
  /** That a run lost when it began, from the order to begin to the news of its end. */
  readonly launch: readonly number[];
  /** That it lost more when it went on from its checkpoint; what it still did after the order to leave is taken off. */
  readonly restart: readonly number[];
  /** From the order to leave until it had left. */
  readonly stop: readonly number[];
}

/** What a job of so many seconds lost, that ran through or was stopped once. */
interface Lost {
  readonly seconds: number;
  readonly stop?: number;
}

const work = 5;
const jobOf = (id: string): JobSpec => ({ ...plain, id, submit: 0, gpus: 1, duration: work });

/** Starts a job on each node, stops every second one and resumes it, until they end; and so on until it is over. */
export async function calibrate(
  on: string,
  nodes: readonly NodeSpec[],
  options: Readonly<Record<string, string>>,
  isOver: () => boolean,
): Promise<Costs> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-calibration-"));
  const rig = await Rig.open(on, nodes, options, folder);
  try {
    const [through, stopped]: [Lost[], Lost[]] = [[], []];
    for (let round = 0; round === 0 || !isOver(); round++) {
      const lost = await Promise.all(nodes.map((_, node) => rig.one(jobOf(`c${round}-${node}`), node, node % 2 > 0)));
      for (const one of lost) (one.stop === undefined ? through : stopped).push(one);
    }
    const launch = through.map(({ seconds }) => seconds);
    const once = mean(launch)!;
    return {
      launch,
      restart: stopped.map(({ seconds }) => seconds - 2 * once),
      stop: stopped.map(({ stop }) => stop!),
    };
  } finally {
    await rig.cluster.close("stop");
    rmSync(folder, { recursive: true, force: true });
  }
}

const now = (): number => performance.now() / 1e3;

const pause = (milliseconds: number): Promise<void> => new Promise((wake) => setTimeout(wake, milliseconds));

/** A cluster without a scheduler, whose runs are begun and ended by hand. */
class Rig {
  readonly cluster: Cluster;
  readonly #folder: string;
  readonly #ends: Map<string, (kind: string) => void>;

  private constructor(cluster: Cluster, folder: string, ends: Map<string, (kind: string) => void>) {
    this.cluster = cluster;
    this.#folder = folder;
    this.#ends = ends;
  }

  static async open(
    on: string,
    nodes: readonly NodeSpec[],
    options: Readonly<Record<string, string>>,
    folder: string,
  ): Promise<Rig> {
    const ends = new Map<string, (kind: string) => void>();
    const report: Report = (event) => {
      if ("attempt" in event && event.kind !== "started") ends.get(`${event.job}/${event.attempt}`)?.(event.kind);
    };
    const task = clusterTask({ jobs: [], path: folder, scale: 1, commands: false });
    const cluster: Cluster = await (await clusters[on]!()).open({
      ...{ folder, id: "calibration", nodes, report, options, warn: () => {} },
      task: (run) => task(run, cluster.nodes),
    });
    await cluster.adopt([]);
    return new Rig(cluster, folder, ends);
  }

  async one(job: JobSpec, node: number, stops: boolean): Promise<Lost> {
    const began = now();
    const first = this.#run(job, 0, node);
    if (!stops) return { seconds: (await first).end - began - work };
    while (!existsSync(join(jobFolder(this.#folder, job.id), "lock"))) await pause(20);
    await pause(1000);
    const asked = now();
    this.cluster.stop(job.id, 0);
    const left = await first;
    // It may be done before it hears.
    if (left.kind === "finished") return { seconds: left.end - began - work };
    const again = now();
    const rest = await this.#run(job, 1, node);
    return { seconds: asked - began + rest.end - again - work, stop: left.end - asked };
  }

  async #run(job: JobSpec, attempt: number, node: number): Promise<{ readonly kind: string; readonly end: number }> {
    const ended = new Promise<string>((wake) => this.#ends.set(`${job.id}/${attempt}`, wake));
    this.cluster.start({ job, attempt, places: [{ node, gpus: 1 }], beside: [] });
    const kind = await ended;
    if (kind === "failed")
      throw new Error(`attempt ${attempt} of ${job.id} has failed, of which it was to measure the costs`);
    return { kind, end: now() };
  }
}
