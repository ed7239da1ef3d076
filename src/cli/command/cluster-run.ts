/**
 * `heddle cluster run`: the jobs of a trace on a cluster that is there, decided by any policy.
 *
 * Its state is a folder. Killed at any moment and begun again with the same words, it goes on: no job is lost, none runs twice.
 */
import { basename, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { clusters } from "../../cluster/clusters.ts";
import type { LogLine } from "../../cluster/log.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import { namePolicy, type PolicyNames } from "../../cluster/policy.ts";
import type { Report } from "../../cluster/report/columns.ts";
import { duration, percent } from "../../cluster/report/words.ts";
import { openSession, type Session } from "../../cluster/session.ts";
import { loadTrace } from "../../cluster/trace/load.ts";
import { nodesInWords, readNodes } from "../../cluster/trace/nodes.ts";
import { type ClusterMetrics, clusterMetrics } from "../../sim/cluster/metrics.ts";
import { ReportReading } from "../../sim/cluster/report-reading.ts";
import { loadCombination } from "../../system/combination.ts";
import { collectOption, numberFrom, wholeFrom } from "../arguments.ts";
import { metricsDocument, unfinishedInWords } from "../cluster-metrics.ts";
import { type ClusterProgress, clusterProgress } from "../cluster-progress.ts";
import { checkReportPath, type ReportOrigin, reportOf, writeReport } from "../cluster-report.ts";
import { clusterTask, progressModel } from "../cluster-task.ts";
import {
  checkOptionsUsed,
  collectFilter,
  formatName,
  jobsAsked,
  optionsOf,
  sayNotes,
  traceInWords,
} from "../cluster-trace.ts";
import { stopOnSignals } from "../stop-signals.ts";
import { print, printJson, say } from "../terminal.ts";

interface Arguments {
  readonly on: string;
  readonly policy: string;
  readonly option?: readonly string[];
  readonly nodes?: string;
  readonly state: string;
  readonly timeScale: number;
  readonly round?: number;
  readonly filter?: readonly string[];
  readonly jobs?: number;
  readonly commands?: boolean;
  readonly atStop: "leave" | "stop";
  readonly set?: Readonly<Record<string, string>>;
  readonly failures: number;
  readonly format?: string;
  readonly strict?: boolean;
  readonly report?: string;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<trace>", "a file of jobs, in any format that `heddle cluster replay` reads")
    .addOption(new Option("--on <cluster>", "what runs the jobs").choices(Object.keys(clusters)).default("local"))
    .option("--policy <ids>", "entries of the cluster's slots, joined by +", "fifo")
    .option("--option <id.name=value>", "an option of an entry of the policy; repeatable", collectOption)
    .option(
      "--nodes <nodes>",
      "local: COUNTxGPUS:TYPE or a file; elsewhere: names of nodes, with commas (default: all)",
    )
    .option("--state <folder>", "journal, log, and a folder for each job", "heddle-cluster")
    .option("--time-scale <factor>", "seconds of the trace in a second of the wall", numberFrom(1e-3), 1)
    .option("--round <seconds>", "decide in rounds of this many seconds of the trace", numberFrom(1e-3))
    .option("--filter <comparisons>", 'jobs to keep, for example "tenant=vc1,gpus>=4"; repeatable', collectFilter)
    .option("--jobs <n>", "the first so many of them alone", wholeFrom(1))
    .option("--commands", "run each job's own command, where the trace has one, and no worker that counts seconds")
    .addOption(
      new Option("--at-stop <what>", "jobs that run when this is ended by Ctrl-C: stop (save and leave) or leave")
        .choices(["stop", "leave"])
        .default("stop"),
    )
    .option(
      "--set <name=value>",
      "a setting of the launcher: graceSeconds, pollSeconds, sbatch; repeatable",
      collectSetting,
    )
    .option("--failures <n>", "runs of a job that may fail before it is given up", wholeFrom(1), 3)
    .option("--format <name>", "format of the trace, instead of looking at it", formatName)
    .option("--strict", "stop at a bad row of the trace")
    .option("--report <file>", "write a page that shows who ran when and where, at the end")
    .option("--json", "print {policy, jobs: [{id, submit, start, end, jct, …}], averageJct, makespan, …}")
    .action(run);
}

function collectSetting(text: string, given: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const found = /^(\w+)=(.*)$/s.exec(text);
  if (found === null) throw new InvalidArgumentError('It is written name=value, for example "graceSeconds=30".');
  return { ...given, [found[1]!]: found[2]! };
}

async function run(path: string, given: Arguments): Promise<void> {
  const policy = await policyFrom(given);
  if (given.report !== undefined) checkReportPath(given.report);
  const trace = await loadTrace(path, {
    ...(given.format !== undefined && { format: given.format }),
    strict: given.strict ?? false,
  });
  sayNotes(path, traceInWords(trace));
  const jobs = jobsAsked(trace, given);
  const commands = given.commands ?? trace.format === "heddle";
  const nodes = nodesFrom(given);
  const lines: LogLine[] = [];
  const progress = clusterProgress(jobs.length);
  const session = await openSession({
    ...{
      state: resolve(given.state),
      on: given.on,
      policy,
      jobs,
      timeScale: given.timeScale,
      options: given.set ?? {},
    },
    ...(nodes !== undefined && { nodes }),
    ...(given.round !== undefined && { roundSeconds: given.round }),
    ...{ failuresMax: given.failures, wall: () => performance.timeOrigin + performance.now(), warn: say },
    task: clusterTask({ jobs, path, scale: given.timeScale, commands }),
    model: progressModel,
    log(line) {
      lines.push(line);
      progress.add(line);
    },
  });
  await untilDone(session, given, progress);
  const { nodes: found } = session.cluster;
  const metrics = clusterMetrics(lines, found);
  if (given.report !== undefined) {
    const speed = given.timeScale === 1 ? "" : `, ${given.timeScale} seconds of the trace in a second`;
    const origin = { trace: basename(path), format: trace.format, origin: trace.origin, notes: [] };
    const how = `run on ${given.on}${speed}`;
    writeReport(given.report, reportOfRun({ ...origin, how }, policy.name, lines, found, metrics));
  }
  if (given.json) printJson(metricsDocument(policy.name, metrics));
  else print(summary(metrics));
}

function reportOfRun(
  origin: ReportOrigin,
  policy: string,
  lines: readonly LogLine[],
  nodes: readonly NodeSpec[],
  { jobs: measured }: ClusterMetrics,
): Report {
  const jobs = lines.flatMap((line) =>
    line.kind === "event" && line.event.kind === "submitted" ? [line.event.job] : [],
  );
  const columns = new ReportReading(jobs.map(({ id }) => id));
  for (const line of lines) columns.add(line);
  const rho = Float64Array.from(measured, (job) => job.rho ?? Number.NaN);
  return reportOf(origin, jobs, nodes, [columns.policy(policy, rho)]);
}

async function untilDone(session: Session, { atStop }: Arguments, progress: ClusterProgress): Promise<void> {
  const { cluster, recovered } = session;
  say(`${nodesInWords(cluster.nodes)}${recovered > 0 ? `; going on after ${recovered} lines of the journal` : ""}`);
  const stop = stopOnSignals(
    atStop === "stop"
      ? "Running jobs are asked to save and leave; the same command goes on."
      : "Running jobs are left to run; the same command goes on.",
  );
  const stopped = new Promise<void>((resolve) => stop.signal.addEventListener("abort", () => resolve()));
  try {
    await Promise.race([session.done, stopped]);
    progress.end();
    await session.close(stop.signal.aborted ? atStop : "leave");
  } catch (error) {
    // Whatever is wrong here, it is no reason to end what runs.
    await session.close("leave");
    throw error;
  } finally {
    stop.end();
    process.exitCode = stop.exitCode();
  }
}

async function policyFrom({ policy, option = [] }: Arguments): Promise<PolicyNames> {
  const names = await namePolicy(policy, {}, loadCombination);
  checkOptionsUsed(option, [{ policy: names }]);
  return { ...names, options: optionsOf(option, Object.values(names.slots)) };
}

/** A local cluster is made of the nodes given; of another, they choose by name. */
function nodesFrom({ on, nodes }: Arguments): NodeSpec[] | undefined {
  if (nodes === undefined) return undefined;
  if (on === "local") return readNodes(nodes);
  return nodes.split(",").map((id) => ({ id: id.trim(), type: "gpu", gpus: 0 }));
}

function summary(metrics: ClusterMetrics): string {
  const { jobs, finished, averageJct, makespan, p99Jct, utilisation, restarts } = metrics;
  const unfinished = unfinishedInWords(metrics);
  const figures = [
    `${finished} of ${jobs.length} jobs finished`,
    ...(unfinished === undefined ? [] : [unfinished]),
    `average JCT ${duration(averageJct)}, 99th percentile ${duration(p99Jct)}`,
    `makespan ${duration(makespan)}, GPUs used ${percent(utilisation)}, ${restarts} restarts`,
  ];
  return figures.join("\n");
}
