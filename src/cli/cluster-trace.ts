/** What `heddle cluster replay` and `why` share: a trace, the cluster it is to run on, and policies, as the user named them. */
import { type Command, InvalidArgumentError } from "commander";
import type { JobSpec } from "../cluster/job.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { createPolicy, namePolicy } from "../cluster/policy.ts";
import { jobFilter } from "../cluster/trace/filter.ts";
import { readHistory } from "../cluster/trace/history.ts";
import { loadTrace, type Trace, traceFormats } from "../cluster/trace/load.ts";
import { nodesInWords, readNodes } from "../cluster/trace/nodes.ts";
import { UserError } from "../core/errors.ts";
import { findTables, modelFor, modelOfFormat, models, type RunCost } from "../sim/cluster/model.ts";
import type { ReplayTask } from "../sim/cluster/replay-task.ts";
import { loadCombination } from "../system/combination.ts";
import { collectOption, numberFrom, wholeFrom } from "./arguments.ts";
import { say } from "./terminal.ts";

export interface TraceArguments {
  readonly nodes?: string;
  readonly model?: string;
  readonly tables?: string;
  readonly round?: number;
  readonly launchCost?: number;
  readonly restartCost?: number;
  readonly stopCost?: number;
  readonly endCost?: number;
  readonly option?: readonly string[];
  readonly history?: string;
  readonly filter?: readonly string[];
  readonly jobs?: number;
  readonly format?: string;
  readonly strict?: boolean;
}

export function addTraceOptions(command: Command): void {
  command
    .option(
      "--nodes <nodes>",
      "COUNTxGPUS:TYPE, with commas between several, or a file (default: enough to be 80 % busy)",
    )
    .option("--round <seconds>", "decide in rounds, not at every event", numberFrom(1e-3))
    .option("--launch-cost <seconds>", "from the order to start a job until it computes (default: 0)", numberFrom(0))
    .option("--restart-cost <seconds>", "more of that where it was stopped and starts again", numberFrom(0))
    .option("--stop-cost <seconds>", "from the order to stop a job until its GPUs are free (default: 0)", numberFrom(0))
    .option("--end-cost <seconds>", "from the end of a job until its GPUs are free (default: 0)", numberFrom(0))
    .option("--option <id.name=value>", "an option of an entry of a policy; repeatable", collectOption)
    .option(
      "--history <file>",
      "what jobs took before, for policies that learn from it: an older trace, or GPU-seconds",
    )
    .option("--filter <comparisons>", 'jobs to keep, for example "tenant=vc1,gpus>=4"; repeatable', collectFilter)
    .option("--jobs <n>", "the first so many jobs alone", wholeFrom(1))
    .option("--model <name>", `what runs jobs: ${Object.keys(models).join(", ")} (default: by the format)`)
    .option("--tables <path>", "measurements that the model reads (default: where they lie beside a published trace)")
    .option("--format <name>", "format of the trace, instead of looking at it", formatName)
    .option("--strict", "stop at a bad row of the trace");
}

export const collectFilter = (text: string, given: readonly string[] = []): readonly string[] => [...given, text];

export function formatName(text: string): string {
  const names = traceFormats.map(({ name }) => name);
  if (names.includes(text)) return text;
  throw new InvalidArgumentError(`Formats: ${names.join(", ")}.`);
}

export interface OpenedTrace {
  readonly trace: Trace;
  /** Those that the user asked for, and that could run on these nodes by their type. */
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  readonly model: string;
  readonly tables: string | undefined;
  /** What the user should know of what was read. */
  readonly notes: readonly string[];
}

export async function openTrace(path: string, given: TraceArguments): Promise<OpenedTrace> {
  const trace = await loadTrace(path, {
    ...(given.format !== undefined && { format: given.format }),
    strict: given.strict ?? false,
  });
  const kept = jobsAsked(trace, given);
  const model = given.model ?? modelOfFormat(trace.format);
  const tables = findTables(model, path, given.tables);
  const { nodes, note } = nodesFor(kept, given.nodes, modelFor(model).nodes);
  const { jobs, untyped } = withKnownTypes(kept, nodes);
  const notes = [
    ...traceInWords(trace),
    ...(kept.length < trace.jobs.length ? [`${kept.length} of ${trace.jobs.length} jobs were asked for`] : []),
    ...(note === undefined ? [] : [note]),
    ...(tables === undefined || given.tables !== undefined ? [] : [`no --tables: ${tables}`]),
    ...machinesInWords(nodes),
    ...ownersInWords(jobs, nodes),
    ...(untyped > 0 ? [`${untyped} jobs ask for types of GPU that no node has: they run on any`] : []),
  ];
  return { trace, jobs, nodes, model, tables, notes };
}

/** Throws a `UserError` where the user has asked for none. */
export function jobsAsked({ jobs, path }: Trace, { filter = [], jobs: most }: TraceArguments): readonly JobSpec[] {
  const filters = filter.map(jobFilter);
  const kept = jobs.filter((job) => filters.every((holds) => holds(job))).slice(0, most);
  if (kept.length > 0) return kept;
  throw new UserError(`No job of ${path} is left after --filter ${filter.join(" ")}.`, `It has ${jobs.length}.`);
}

/** Which machines are several nodes. */
export function machinesInWords(nodes: readonly NodeSpec[]): string[] {
  const parts = new Map<string, string[]>();
  for (const { machine, id } of nodes) {
    if (machine !== undefined) parts.set(machine, [...(parts.get(machine) ?? []), id]);
  }
  return [...parts].map(
    ([machine, ids]) => `${machine} has GPUs of ${ids.length} types, and is as many nodes here: ${ids.join(", ")}`,
  );
}

/** Where nodes come with virtual clusters: whose jobs have none. */
function ownersInWords(jobs: readonly JobSpec[], nodes: readonly NodeSpec[]): string[] {
  const owners = nodes[0]?.cells?.virtualClusters;
  const others = owners === undefined ? [] : jobs.filter(({ tenant }) => !Object.hasOwn(owners, tenant));
  if (owners === undefined || others.length === 0) return [];
  const names = [...new Set(others.map(({ tenant }) => tenant))];
  const some = names.slice(0, linesMost).join(", ") + (names.length > linesMost ? ", …" : "");
  const known = Object.keys(owners).join(", ");
  return [
    `${others.length} jobs are of tenants that own no cells (${some}; ${known} do): they run as opportunistic ones`,
  ];
}

const linesMost = 5;

/** What was passed over of a trace. */
export function traceInWords({ problems, leftOut, unread }: Trace): string[] {
  const lines = problems.slice(0, linesMost).map(({ line, reason }) => `line ${line}: ${reason}; passed over`);
  const more = problems.length - lines.length;
  const left = [...leftOut].map(([reason, jobs]) => `${jobs} ${jobs === 1 ? "job" : "jobs"} left out: ${reason}`);
  const columns = unread.length === 0 ? [] : [`columns that are not read: ${unread.join(", ")}`];
  return [
    ...lines,
    ...(more > 0 ? [`and ${more} more ${more === 1 ? "line that is no job" : "lines that are no jobs"}`] : []),
    ...left,
    ...columns,
  ];
}

const loadOfGuess = 0.8;

/** Those asked for, else those of the model's paper, else so many that the jobs would keep them busy for four fifths of the time. */
function nodesFor(
  jobs: readonly JobSpec[],
  asked: string | undefined,
  ofModel: string | undefined,
): { readonly nodes: readonly NodeSpec[]; readonly note?: string } {
  if (asked !== undefined) return { nodes: readNodes(asked) };
  if (ofModel !== undefined) return { nodes: readNodes(ofModel), note: `no --nodes: ${ofModel}, as its paper has` };
  const work = jobs.reduce((sum, { gpus, duration = 0 }) => sum + gpus * duration, 0);
  const span = jobs.at(-1)!.submit - jobs[0]!.submit;
  const gang = jobs.reduce((most, { gpus }) => Math.max(most, gpus), 1);
  if (!(work > 0 && span > 0)) throw new UserError("The trace does not say how many nodes it needs.", "Give --nodes.");
  const gpus = Math.max(gang, work / span / loadOfGuess);
  const nodes = readNodes(`${Math.ceil(gpus / 8)}x8:gpu`);
  return { nodes, note: `no --nodes: ${nodesInWords(nodes)}, which the jobs would keep about 80 % busy` };
}

/** A trace of another cluster asks for types of GPU that this one lacks; such a job may run anywhere. */
function withKnownTypes(
  jobs: readonly JobSpec[],
  nodes: readonly NodeSpec[],
): { readonly jobs: readonly JobSpec[]; readonly untyped: number } {
  const known = new Set(nodes.map(({ type }) => type));
  let untyped = 0;
  const typed = jobs.map((job) => {
    if (job.types === undefined || job.types.some((type) => known.has(type))) return job;
    untyped++;
    const { types: _, ...rest } = job;
    return rest;
  });
  return { jobs: typed, untyped };
}

/** One policy over the trace. */
export async function taskOf(policy: string, opened: OpenedTrace, given: TraceArguments): Promise<ReplayTask> {
  const { jobs, nodes, model, tables } = opened;
  const names = await namePolicy(policy, {}, loadCombination);
  const options = optionsOf(given.option ?? [], Object.values(names.slots));
  const history = given.history === undefined ? undefined : await readHistory(given.history);
  return {
    policy: { ...names, options, ...(history !== undefined && { history }) },
    ...{ jobs, nodes, model },
    ...(tables !== undefined && { tables }),
    ...(given.round !== undefined && { roundSeconds: given.round }),
    ...costsOf(model, given),
  };
}

/** Throws a `UserError` for a cost that the model has by itself: what was asked for would be passed over. */
function costsOf(model: string, given: TraceArguments): RunCost {
  const costs: { -readonly [name in keyof RunCost]: number } = {};
  for (const name of ["launch", "restart", "stop", "end"] as const) {
    const seconds = given[`${name}Cost`];
    if (seconds === undefined) continue;
    if (!modelFor(model).costs.includes(`${name}Seconds`)) {
      throw new UserError(
        `--${name}-cost ${seconds}: the model "${model}" has costs of its own.`,
        "Leave it out, or give --model steady.",
      );
    }
    costs[`${name}Seconds`] = seconds;
  }
  return costs;
}

/** `las.quantum=60` for the entries that this policy has; those of other policies are theirs. */
export function optionsOf(given: readonly string[], ids: readonly string[]): Record<string, Record<string, number>> {
  const options: Record<string, Record<string, number>> = {};
  for (const text of given) {
    const [, id = "", name = "", value = ""] = /^(.+)\.(\w+)=(.+)$/.exec(text)!;
    if (Number.isNaN(Number(value))) throw new UserError(`--option ${text}: the value must be a number.`);
    if (ids.includes(id)) (options[id] ??= {})[name] = Number(value);
  }
  return options;
}

/** An option that no policy has a use for is a mistake. */
export function checkOptionsUsed(given: readonly string[], tasks: readonly Pick<ReplayTask, "policy">[]): void {
  const ids = new Set(tasks.flatMap(({ policy }) => Object.values(policy.slots)));
  for (const text of given) {
    const id = text.slice(0, text.lastIndexOf(".", text.indexOf("=")));
    if (!ids.has(id))
      throw new UserError(`--option ${text}: no policy here has "${id}".`, `They have: ${[...ids].join(", ")}.`);
  }
}

/** So is an older trace that no policy learns from. */
export async function checkHistoryUsed(given: string | undefined, tasks: readonly ReplayTask[]): Promise<void> {
  if (given === undefined) return;
  const policies = await Promise.all(tasks.map(({ policy }) => createPolicy(policy)));
  if (policies.some(({ scheduling }) => scheduling.learn !== undefined)) return;
  throw new UserError(
    `--history ${given}: no policy here learns from an older trace.`,
    "Tiresias does with --option tiresias.gittins=1.",
  );
}

/** Of what was read, to standard error. */
export function sayNotes(path: string, notes: readonly string[]): void {
  for (const note of notes) say(`${path}: ${note}.`);
}
