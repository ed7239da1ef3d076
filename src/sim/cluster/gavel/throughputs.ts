/**
 * Gavel's tables of measured throughputs: steps a second by type of GPU, job and number of GPUs, alone and beside another job.
 *
 *     {type: {"('ResNet-18 (batch size 16)', 1)": {"null": alone, "('LM (batch size 5)', 1)": [its own, the other's]}}}
 */
import { UserError } from "../../../core/errors.ts";

export interface Throughputs {
  readonly types: readonly string[];
  /** Steps a second; 0 where the job was not measured on so many GPUs of the type, or did not run there. */
  alone(type: string, job: string, gpus: number): number;
  /** Steps a second of each of two jobs on the same GPUs; zeros where they do not fit into memory together. */
  together(type: string, job: string, other: string, gpus: number): readonly [number, number];
}

type Line = Readonly<Record<string, unknown>>;

/** Throws a `UserError` where the text is not such a table; `path` is for its message. */
export function readThroughputs(text: string, path: string): Throughputs {
  const table = parsed(text, path);
  const keys = new Map<string, string[]>();
  /** Asked for at every decision: no string is put together twice. */
  const keyOf = (job: string, gpus: number): string => {
    const known = keys.get(job) ?? [];
    keys.set(job, known);
    known[gpus] ??= `('${job}', ${gpus})`;
    return known[gpus];
  };
  const line = (type: string, job: string, gpus: number): Line | undefined => table[type]?.[keyOf(job, gpus)];
  return {
    types: Object.keys(table),
    alone(type, job, gpus) {
      const alone = line(type, job, gpus)?.null;
      return typeof alone === "number" ? alone : 0;
    },
    together(type, job, other, gpus) {
      const pair = line(type, job, gpus)?.[keyOf(other, gpus)];
      if (!Array.isArray(pair)) return [0, 0];
      const [mine, others]: unknown[] = pair;
      return typeof mine === "number" && typeof others === "number" ? [mine, others] : [0, 0];
    },
  };
}

function parsed(text: string, path: string): Readonly<Record<string, Readonly<Record<string, Line>>>> {
  const wrong = (what: string): UserError =>
    new UserError(
      `${path} is not a table of throughputs: ${what}.`,
      "Give one in the form of Gavel's simulation_throughputs.json.",
    );
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : "it is not JSON");
  }
  if (!isRecord(table)) throw wrong("it has no types of GPU");
  const types: Record<string, Record<string, Line>> = {};
  for (const [type, lines] of Object.entries(table)) {
    if (!isRecord(lines)) throw wrong(`${type} has no jobs`);
    const ofType: Record<string, Line> = {};
    for (const [job, line] of Object.entries(lines)) {
      if (!isRecord(line)) throw wrong(`${type}, ${job} has no throughputs`);
      ofType[job] = line;
    }
    types[type] = ofType;
  }
  return types;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
