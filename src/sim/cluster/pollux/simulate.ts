/** A workload of profiled applications through the engine, as the published simulator of Pollux sets it up. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { JobSpec } from "../../../cluster/job.ts";
import type { NodeSpec } from "../../../cluster/node.ts";
import type { ClusterPolicy } from "../../../cluster/policy.ts";
import type { Seconds } from "../../../time/clock.ts";
import type { ClusterSetup } from "../simulate.ts";
import { type Application, readApplications } from "./application.ts";
import { TrainingJob } from "./job.ts";
import { ProfiledLauncher, type ProfiledOptions } from "./launcher.ts";

/** How the published simulator's interpolation cut the cells of its six profiles. */
export const polluxCells = fileURLToPath(new URL("../../../../fixtures/pollux-cells.json", import.meta.url));

/** Profiles of a folder with one folder for each application: `placements.csv`, `scalability.csv`, `validation-B.csv`. */
export const readProfiles = (folder: string): ReadonlyMap<string, Application> => readApplications(folder, polluxCells);

/** 16 nodes of 4 T4. */
export const polluxNodes: readonly NodeSpec[] = Array.from({ length: 16 }, (_, i) => ({
  id: `t4-${i}`,
  type: "t4",
  gpus: 4,
}));

export interface ProfiledSetup extends Pick<ProfiledOptions, "restartSeconds" | "interference"> {
  readonly jobs: readonly JobSpec[];
  readonly policy: ClusterPolicy;
  readonly applications: ReadonlyMap<string, Application>;
  readonly nodes?: readonly NodeSpec[];
  readonly roundSeconds?: Seconds;
}

/** What `simulateCluster` and `streamCluster` take; jobs' `model` names their profile. */
export function profiledSetup(setup: ProfiledSetup): ClusterSetup {
  const { jobs, policy, nodes = polluxNodes, roundSeconds = 60, ...options } = setup;
  const adaptive = policy.scaling.adaptsBatch ?? false;
  const perNode = nodes[0]?.gpus ?? 1;
  return {
    ...{ jobs: jobs.map((job) => withDuration(job, options.applications, perNode)), nodes, policy, roundSeconds },
    launcher: (clock, report) => new ProfiledLauncher(clock, { ...options, report, adaptive }),
  };
}

/** How long the job runs alone as it was submitted, on as few nodes as hold it: fairness is measured against that. */
function withDuration(job: JobSpec, applications: ReadonlyMap<string, Application>, perNode: number): JobSpec {
  const application = applications.get(job.model ?? "");
  const { batch, gpus } = job;
  if (application === undefined || batch === undefined || job.duration !== undefined) return job;
  const alone = new TrainingJob(application, { batch, restartSeconds: 0, observed: false });
  const places = Array.from({ length: Math.ceil(gpus / perNode) }, (_, i) => Math.min(perNode, gpus - i * perNode));
  alone.start(places);
  if (application.profiledTime(places, alone.localBatch) === undefined) return job;
  const duration = alone.advance(centuries);
  return duration === undefined ? job : { ...job, duration };
}

const centuries: Seconds = 1e10;

/** Jobs of a `workload-N.csv`: name, time, application, num_replicas, batch_size. */
export const readWorkload = (path: string): JobSpec[] =>
  readFileSync(path, "utf8")
    .trim()
    .split(/\r?\n/)
    .slice(1)
    .map((line) => {
      const [id, submit, model, gpus, batch] = line.split(",");
      return {
        ...{ id: id!, submit: Number(submit), gpus: Number(gpus), model: model!, batch: Number(batch) },
        ...{ tenant: "default", priority: 0, weight: 1 },
      };
    });
