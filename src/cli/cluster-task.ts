/** What a job of a trace runs: its own command, or the worker that counts its seconds. */
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Task } from "../cluster/cluster.ts";
import type { JobSpec } from "../cluster/job.ts";
import type { Launcher, Run } from "../cluster/launcher.ts";
import { gpusIn, type NodeSpec } from "../cluster/node.ts";
import { UserError } from "../core/errors.ts";
import { linearSpeed, SteadyLauncher } from "../sim/cluster/steady-launcher.ts";
import type { Clock } from "../time/clock.ts";

const worker = fileURLToPath(new URL("./cluster-worker.js", import.meta.url));
const heddle = fileURLToPath(new URL("./main.js", import.meta.url));

export interface TaskSetup {
  readonly jobs: readonly JobSpec[];
  readonly path: string;
  /** Seconds of the trace in a second of the wall. */
  readonly scale: number;
  /** Whether commands of the trace are to be run. */
  readonly commands: boolean;
}

/** Throws a `UserError` where a job has neither a command to run nor a duration to count. */
export function clusterTask({
  jobs,
  path,
  scale,
  commands,
}: TaskSetup): (run: Run, nodes: readonly NodeSpec[]) => Task {
  const empty = jobs.find(({ command, duration }) => duration === undefined && !(commands && command !== undefined));
  if (empty !== undefined) {
    throw new UserError(
      `Job ${empty.id} of ${path} has no duration${empty.command === undefined ? " and no command" : ""}: there is nothing to run.`,
      empty.command === undefined ? "Give the trace durations." : "Run the trace's own commands with --commands.",
    );
  }
  const folder = dirname(resolve(path));
  return (run, nodes) => {
    const { job, places, beside } = run;
    if (commands && job.command !== undefined) return { argv: ownCommand(job.command, folder) };
    const gpus = gpusIn(places);
    const mates = jobs.filter(({ id }) => beside.includes(id));
    const speed = linearSpeed(job, gpus, places.length, nodes[places[0]!.node]!.type, mates);
    return { argv: [process.execPath, worker, String(job.duration!), String(speed * scale)] };
  };
}

/** What policies are told of progress: by the model of steady jobs, for jobs whose duration is known. */
export function progressModel(clock: Clock, nodes: readonly NodeSpec[]): Launcher {
  const steady = new SteadyLauncher(clock, nodes, { report: () => {} });
  return {
    start: (run) => run.job.duration !== undefined && steady.start(run),
    stop: (job, attempt) => steady.stop(job, attempt),
    outlook: (job) => steady.outlook(job),
  };
}

/**
 * `heddle …` is this program. A training goes on from its checkpoints, which lie in the job's folder. Files are found beside the
 * trace: a job runs there.
 */
function ownCommand([name, ...words]: readonly string[], folder: string): string[] {
  const isTraining = name === "heddle" && words[0] === "train";
  const out = isTraining && !words.includes("--out") ? ' --out "$HEDDLE_FOLDER/out"' : "";
  const resume = isTraining && !words.includes("--resume") ? " --resume" : "";
  const program = name === "heddle" ? [process.execPath, heddle] : [name!];
  return ["sh", "-c", `cd "$0" && exec "$@"${out}${resume}`, folder, ...program, ...words];
}
