/** `heddle cluster why`: why a job waited, told from the log of decisions: one that a scheduler wrote, or that a replay makes. */
import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import type { LogHeader, LogLine } from "../../cluster/log.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import { count, duration, gpusInWords, percent } from "../../cluster/report/words.ts";
import { type Moment, type Rival, type Spell, WaitReading, type WaitStory } from "../../cluster/why.ts";
import { nearest, UserError } from "../../core/errors.ts";
import { streamTask } from "../../sim/cluster/replay-task.ts";
import {
  addTraceOptions,
  checkHistoryUsed,
  checkOptionsUsed,
  openTrace,
  sayNotes,
  type TraceArguments,
  taskOf,
} from "../cluster-trace.ts";
import { print, printJson } from "../terminal.ts";

interface Arguments extends TraceArguments {
  readonly log?: string;
  readonly policy?: string;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<job>", "its id")
    .argument(
      "[trace]",
      "a file of jobs, to be replayed under --policy; or the folder of a scheduler that has run them",
    )
    .option("--log <file>", "log.jsonl of a scheduler's folder, instead of either")
    .option("--policy <id>", "entries of slots joined by +");
  addTraceOptions(command);
  command.option("--json", "print {policy, spec, waited, ran, spells, rivals, moments, …}").action(run);
}

interface Told {
  readonly policy: string;
  readonly nodes: readonly NodeSpec[];
  readonly story: WaitStory;
}

async function run(job: string, trace: string | undefined, given: Arguments): Promise<void> {
  const both = given.log !== undefined && trace !== undefined;
  if (both || (given.log === undefined && trace === undefined)) {
    throw new UserError(
      "heddle cluster why needs one log to read.",
      "Give a trace and --policy, or the folder of a scheduler, or --log FILE.",
    );
  }
  const log = given.log ?? logIn(trace!);
  if (log !== undefined && given.policy !== undefined) {
    throw new UserError(`--policy ${given.policy}: ${log} tells of what was decided already.`, "Leave --policy out.");
  }
  const told = log !== undefined ? await fromLog(job, log) : await fromTrace(job, trace!, given);
  if (given.json) printJson({ policy: told.policy, ...told.story });
  else tell(told);
}

/** Where a folder of `heddle cluster run` keeps its log; undefined of what is no folder. */
function logIn(path: string): string | undefined {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isFolder ? join(path, "log.jsonl") : undefined;
}

async function fromTrace(id: string, path: string, given: Arguments): Promise<Told> {
  if (given.policy === undefined) throw new UserError("A trace is replayed under a policy.", "Give --policy.");
  const opened = await openTrace(path, given);
  const known = opened.jobs.map((job) => job.id);
  if (!known.includes(id)) throw noSuchJob(id, path, known);
  sayNotes(path, opened.notes);
  const task = await taskOf(given.policy, opened, given);
  checkOptionsUsed(given.option ?? [], [task]);
  await checkHistoryUsed(given.history, [task]);
  const reading = new WaitReading(id, opened.nodes);
  await streamTask(task, reading.add);
  return { policy: given.policy, nodes: opened.nodes, story: reading.story()! };
}

async function fromLog(id: string, path: string): Promise<Told> {
  const file = createReadStream(path);
  const lines = createInterface({ input: file, crlfDelay: Number.POSITIVE_INFINITY });
  let [header, reading, line]: [LogHeader | undefined, WaitReading | undefined, number] = [undefined, undefined, 0];
  const known: string[] = [];
  // A line that is no JSON; a last one is what a scheduler was writing when it was killed, or writes now.
  let torn: Error | undefined;
  try {
    for await (const text of lines) {
      if (torn !== undefined) throw torn;
      line++;
      if (text === "") continue;
      const parsed = parsedLine(text);
      if (parsed instanceof SyntaxError) {
        torn = parsed;
        continue;
      }
      if (!isKnown(parsed)) throw new UserError(`${path}, line ${line}, is not of this version of Heddle.`);
      if (parsed.kind === "header") {
        header = parsed;
        reading ??= new WaitReading(id, parsed.nodes);
        continue;
      }
      if (reading === undefined) throw new UserError(`${path} is no log of a cluster: it has no header.`);
      if (parsed.kind === "event" && parsed.event.kind === "submitted") known.push(parsed.event.job.id);
      reading.add(parsed);
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    const what = error instanceof SyntaxError ? `line ${line} is not JSON` : (error as Error).message;
    throw new UserError(`${path} cannot be read as a log: ${what}.`, "It is log.jsonl in the folder of a scheduler.");
  }
  const story = reading?.story();
  if (story === undefined || header === undefined) throw noSuchJob(id, path, known);
  return { policy: header.policy, nodes: header.nodes, story };
}

/** Lines of other kinds would be taken for something that they do not say. */
function isKnown(line: LogHeader | LogLine): boolean {
  switch (line?.kind) {
    case "header":
      return typeof line.policy === "string" && Array.isArray(line.nodes);
    case "event":
    case "decided":
    case "launched":
    case "refused":
    case "given-up":
      return Number.isFinite(line.at);
    default:
      return false;
  }
}

function parsedLine(text: string): LogHeader | LogLine | SyntaxError {
  try {
    return JSON.parse(text) as LogHeader | LogLine;
  } catch (error) {
    return error as SyntaxError;
  }
}

function noSuchJob(id: string, path: string, known: readonly string[]): UserError {
  const guess = known.length > 20_000 ? undefined : nearest(id, known);
  const some = known.length === 0 ? "It has none." : `It has ${known.length}, the first is "${known[0]}".`;
  const hint = guess !== undefined ? `Did you mean "${guess}"?` : some;
  return new UserError(`${path} has no job "${id}".`, hint);
}

function tell({ policy, nodes, story }: Told): void {
  const { spec, waited, ran, end, spells, rivals, moments } = story;
  print(`Job ${spec.id}: ${gpusInWords(spec.gpus)}, tenant ${spec.tenant}, submitted at ${duration(spec.submit)}.`);
  const outcome =
    end === undefined
      ? "has not ended"
      : `ended at ${duration(end)}, ${duration(end - spec.submit)} after it was submitted`;
  print(`Under ${policy} it waited ${duration(waited)}, ran ${duration(ran)}, and ${outcome}.`);
  if (waited > 0) {
    print("\nWhy it waited");
    for (const line of reasons(story, spells)) print(`  ${line}`);
    tellRivals(story, rivals);
  }
  print("\nWhat happened");
  for (const moment of moments.slice(0, momentsMost))
    print(`  ${duration(moment.at).padStart(9)}  ${momentInWords(moment, nodes)}`);
  if (moments.length > momentsMost) print(`  and ${count(moments.length - momentsMost)} more`);
}

const momentsMost = 40;
const rivalsMost = 8;

/** Spells of one reason together: the reason that took longest first. */
function reasons({ spec, waited }: WaitStory, spells: readonly Spell[]): string[] {
  return [...groupBy(spells, ({ reason }) => reason)]
    .sort(([, a], [, b]) => lasted(b) - lasted(a))
    .map(([reason, some]) => {
      const share = percent(lasted(some) / waited).padStart(7);
      return `${duration(lasted(some)).padStart(9)} ${share}  ${inWords(reason, some, spec.range?.min ?? spec.gpus)}`;
    });
}

function groupBy<T, K>(all: readonly T[], key: (one: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>();
  for (const one of all) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}

const lasted = (spells: readonly Spell[]): number => spells.reduce((n, { from, to }) => n + to - from, 0);

function inWords(reason: Spell["reason"], spells: readonly Spell[], need: number): string {
  const least = Math.min(...spells.map(({ freeLeast }) => freeLeast));
  const most = Math.max(...spells.map(({ freeMost }) => freeMost));
  const free = least === most ? `${least}` : `${least} to ${most}`;
  const started = spells.reduce((n, spell) => n + spell.started, 0);
  if (reason === "undecided") return "no decision was made yet";
  if (reason === "occupied") return "it had its GPUs, and waited for those to leave who ran there";
  if (reason === "full")
    return `too few GPUs were free: ${free}, where it needs ${need}; ${count(started)} other jobs were started`;
  if (reason === "scattered") {
    const together = Math.max(...spells.map(({ freeTogether }) => freeTogether));
    return `enough GPUs were free (${free}), but in no places that it could have: at most ${together} on one node`;
  }
  const heads = spells.filter(({ behind }) => behind !== undefined);
  const [longest] = [...groupBy(heads, ({ behind }) => behind!)].sort(([, a], [, b]) => lasted(b) - lasted(a));
  const held =
    longest === undefined
      ? ""
      : `; for ${duration(lasted(longest[1]))} of it job ${longest[0]} had waited longest, and needed more than that`;
  return `enough GPUs were free (${free}), and the policy did not choose it, but ${count(started)} other jobs${held}`;
}

function tellRivals({ startedMeanwhile, overtakers, waited }: WaitStory, rivals: readonly Rival[]): void {
  print(
    `\nWhat ran instead: ${count(startedMeanwhile)} jobs started while it waited, ${count(overtakers)} of them submitted after it`,
  );
  for (const { id, gpus, tenant, submit, held, overtook } of rivals.slice(0, rivalsMost)) {
    const share = (held / waited).toFixed(1);
    const when = overtook ? `submitted later, at ${duration(submit)}` : `submitted at ${duration(submit)}`;
    print(`  ${share.padStart(6)} GPUs on average: job ${id} (${gpusInWords(gpus)}, tenant ${tenant}), ${when}`);
  }
  if (rivals.length > rivalsMost) print(`  and ${count(rivals.length - rivalsMost)} more jobs`);
}

function momentInWords({ what, detail }: Moment, nodes: readonly NodeSpec[]): string {
  if (what === "started")
    return `started: ${detail.replace(/node (\d+)/g, (_, i) => nodes[Number(i)]?.id ?? `node ${i}`)}`;
  if (what === "stopped") return detail === "" ? "stopped by the policy" : `stopped; started in its stead: ${detail}`;
  if (what === "moved") return "stopped, to start again elsewhere or with another size";
  return detail === "" ? what : `${what}: ${detail}`;
}
