/**
 * What Slurm's accounting prints: `sacct --parsable2 --allusers --format=JobID,User,Account,Partition,State,Submit,Start,End,Elapsed,…`.
 *
 * Any columns in any order, as long as these are among them: the id, the submission, how long it ran, and what it was given. Steps
 * of a job (`17.batch`, `17.0`) are parts of it and passed over. A job that ran was given its GPUs, whatever its end.
 */
import type { JobSpec } from "../job.ts";
import { type Head, plain, type TableFormat } from "./format.ts";
import { durationOf } from "./production.ts";
import { BadRow, given, LeftOut, type Row } from "./row.ts";
import { slurmBytes, slurmSeconds } from "./time.ts";

export const sacctFields = "JobID,User,Account,Partition,State,Submit,Start,End,Elapsed,Priority,ReqTRES,AllocTRES";
const looks = sacctFields.replaceAll(",", "|");

function knows({ delimiter, fields }: Head): boolean {
  const has = (name: string): boolean => fields.includes(name);
  return (
    delimiter === "|" && (has("JobID") || has("JobIDRaw")) && has("Submit") && (has("Elapsed") || has("ElapsedRaw"))
  );
}

/** `billing=8,cpu=8,gres/gpu:v100=2,gres/gpu=2,mem=64G,node=1` by name. */
function resources(text: string | undefined): ReadonlyMap<string, string> {
  const pairs = (text ?? "").split(",").map((pair) => pair.split("=") as [string, string?]);
  return new Map(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

const typed = "gres/gpu:";

/** Slurm counts `gres/gpu` in whole, and beside it each type by name. */
function gpusOf(tres: ReadonlyMap<string, string>): number {
  const ofTypes = [...tres].filter(([name]) => name.startsWith(typed)).reduce((n, [, value]) => n + Number(value), 0);
  const gpus = Number(tres.get("gres/gpu") ?? ofTypes);
  if (Number.isInteger(gpus) && gpus >= 0) return gpus;
  throw new BadRow(`gres/gpu is "${tres.get("gres/gpu") ?? ofTypes}", not a whole number`);
}

/** Types that were asked for; what was given where any would do says nothing. */
function typesOf(asked: ReadonlyMap<string, string>): readonly string[] | undefined {
  const types = [...asked.keys()].filter((name) => name.startsWith(typed)).map((name) => name.slice(typed.length));
  return types.length === 0 ? undefined : types;
}

/** `AllocGRES` and `ReqGRES` of older versions, `gpu:v100:2` or `gpu:2`, as the newer write them. */
function olderGpus(text: string | undefined): string | undefined {
  const match = /(?:^|,)(?:gres\/)?gpu(?::([A-Za-z][\w-]*))?:(\d+)/.exec(text ?? "");
  return match === null ? undefined : `gres/gpu${match[1] === undefined ? "" : `:${match[1]}`}=${match[2]}`;
}

function elapsed(row: Row): number {
  const raw = row.numberOr("ElapsedRaw", undefined);
  if (raw !== undefined) return raw;
  const text = row.text("Elapsed");
  const seconds = slurmSeconds(text);
  if (seconds !== undefined) return seconds;
  throw new BadRow(`Elapsed is "${text}", not a duration such as 1-02:03:04`);
}

function job(row: Row): JobSpec | undefined {
  const id = row.optional("JobID") ?? row.text("JobIDRaw");
  if (id.includes(".")) return undefined;
  const state = row.optional("State")?.split(" ")[0]?.toLowerCase();
  if (state === "pending") throw new LeftOut("never ran");
  const isOpen = row.optional("End") === "Unknown" && row.optional("Start") !== "Unknown";
  if (state === "running" || state === "suspended" || (state === undefined && isOpen)) {
    throw new LeftOut("had not ended");
  }
  const duration = elapsed(row);
  // A pending array of which nothing ran, or a job that was cancelled while it waited.
  if (duration === 0) throw new LeftOut("ran for no time");
  const asked = resources(row.optional("ReqTRES") ?? olderGpus(row.optional("ReqGRES")));
  const allocated = resources(row.optional("AllocTRES") ?? olderGpus(row.optional("AllocGRES")));
  const tres = allocated.size > 0 ? allocated : asked;
  const cpus = row.numberOr("AllocCPUS", undefined) ?? row.numberOr("ReqCPUS", undefined) ?? numberIn(tres.get("cpu"));
  const memory = tres.get("mem");
  return {
    weight: 1,
    id,
    submit: row.calendar("Submit"),
    gpus: gpusOf(tres),
    duration: durationOf(duration),
    tenant: row.optional("Account") ?? row.optional("User") ?? plain.tenant,
    priority: row.numberOr("Priority", 0),
    ...given({
      cpus,
      types: typesOf(asked),
      class: row.optional("Partition"),
      memoryBytes: memory === undefined ? undefined : slurmBytes(memory),
    }),
  };
}

/** `undefined` for `N/A`, too. */
function numberIn(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

export const sacctFormat: TableFormat = {
  kind: "table",
  name: "slurm",
  title: "Slurm, output of sacct --parsable2",
  looks,
  shifted: true,
  knows,
  job,
};
