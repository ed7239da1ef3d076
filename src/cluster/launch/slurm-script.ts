/** A run as a script for `sbatch`. Resources stand in `#SBATCH` lines, which every version of Slurm reads alike. */
import { join } from "node:path";
import type { Task } from "../cluster.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec, Share } from "../node.ts";
import { attemptScript, environmentOf } from "./attempt.ts";

export interface BatchJob {
  readonly run: Run;
  readonly nodes: readonly NodeSpec[];
  readonly folder: string;
  readonly name: string;
  readonly task: Task;
  /** More options of `sbatch`, as words with spaces between. */
  readonly more: string | undefined;
}

export function batchScript({ run, nodes, folder, name, task, more }: BatchJob): string {
  const common = [`--job-name=${name}`, "--no-requeue", `--chdir="${folder}"`, "--open-mode=append"];
  // In the name of this file, and only there, Slurm replaces %x.
  const output = `--output="${join(folder, `attempt-${run.attempt}.log`).replaceAll("%", "%%")}"`;
  const extra = more?.split(" ").filter((word) => word !== "") ?? [];
  // Slurm lends a GPU to one job: the others on it come with nodes alone, and are told where they are.
  const holdsGpus = run.beside.length === 0;
  const parts = sameSize(run.places).map((shares) => [
    `--nodes=${shares.length}`,
    "--ntasks-per-node=1",
    `--nodelist=${shares.map(({ node }) => nodes[node]!.id).join(",")}`,
    ...(holdsGpus && shares[0]!.gpus > 0 ? [`--gres=gpu:${shares[0]!.gpus}`] : []),
    ...(run.job.cpus === undefined
      ? []
      : [`--cpus-per-task=${Math.max(1, Math.floor(run.job.cpus / run.places.length))}`]),
    ...extra,
  ]);
  const lines = parts.map((part, i) =>
    [...(i === 0 ? [...common, output] : common), ...part].map((word) => `#SBATCH ${word}`),
  );
  const environment = Object.entries({ ...task.environment, ...environmentOf(run, nodes, folder) });
  return [
    "#!/bin/sh",
    lines.map((part) => part.join("\n")).join("\n#SBATCH hetjob\n"),
    ...environment.map(([variable, value]) => `export ${variable}=${quoted(value)}`),
    `set -- ${[folder, String(run.attempt), ...task.argv].map(quoted).join(" ")}`,
    attemptScript,
  ].join("\n");
}

/** Shares by their number of GPUs: a part of a job has the same on each of its nodes. */
function sameSize(places: readonly Share[]): (readonly Share[])[] {
  const sizes = [...new Set(places.map(({ gpus }) => gpus))];
  return sizes.map((size) => places.filter(({ gpus }) => gpus === size));
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
