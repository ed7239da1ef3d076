/**
 * Muri's testbed of 8 nodes with 8 V100 each, as a model: what its workloads need to start, and its controller, which stops and
 * launches everything again in each round of 360 s in which a job came or went.
 */
import type { JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { TurnsLauncher } from "./turns-launcher.ts";
import { nodesOf } from "./workload.ts";

export const muriNodes = nodesOf(8, 8);
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

export function muriStart({ model = "", gpus }: JobSpec): Seconds {
  const row = Object.hasOwn(starts, model) ? starts[model] : undefined;
  return row?.[Math.min(row.length - 1, Math.ceil(Math.log2(gpus)))] ?? 10;
}

/** The authors' simulator: everything starts again at every event, one job of a group after another. */
export const muriSimulator = (clock: Clock, report: (event: ClusterEvent) => void): TurnsLauncher =>
  new TurnsLauncher(clock, { report, startSeconds: muriStart });

/** The real runs: only rounds in which something happened start anew, and the jobs of a group start at once. */
export function muriTestbed(jobs: readonly JobSpec[]) {
  return (clock: Clock, report: (event: ClusterEvent) => void): TurnsLauncher => {
    const changes = jobs.map(({ submit }) => submit);
    return new TurnsLauncher(clock, {
      report: (event) => {
        if (event.kind === "finished") changes.push(event.at);
        report(event);
      },
      startSeconds: muriStart,
      atOnce: true,
      lastStart: true,
      relaunches: (before, now) => changes.some((at) => at > before && at <= now),
    });
  };
}
