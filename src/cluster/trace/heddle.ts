/**
 * Jobs in Heddle's own words, for what other formats cannot say: a line of JSON each, with the fields of `JobSpec`; or a table of
 * those that are one word.
 *
 *     {"id": "a", "submit": 0, "gpus": 2, "duration": 600}
 *     {"id": "b", "submit": 5, "gpus": 1, "command": ["heddle", "train", "weaver.json"]}
 *
 *     id,submit,gpus,duration,tenant
 *     a,0,2,600,vision
 */
import { z } from "zod";
import type { JobSpec } from "../job.ts";
import { type DocumentFormat, plain, type TableFormat } from "./format.ts";
import { BadRow, issuesInWords, type Row } from "./row.ts";

const seconds = z.number().nonnegative();

const job = z.strictObject({
  id: z.string().min(1),
  submit: seconds.default(0),
  gpus: z.int().nonnegative(),
  taskGpus: z.int().positive().optional(),
  cell: z.string().optional(),
  range: z.strictObject({ min: z.int().positive(), max: z.int().positive() }).optional(),
  duration: z.number().positive().optional(),
  estimate: z.number().positive().optional(),
  iterations: z.number().positive().optional(),
  cpus: z.number().positive().optional(),
  memoryBytes: z.number().positive().optional(),
  types: z.array(z.string()).nonempty().optional(),
  tenant: z.string().default(plain.tenant),
  class: z.string().optional(),
  model: z.string().optional(),
  batch: z.number().positive().optional(),
  priority: z.number().default(plain.priority),
  weight: z.number().positive().default(plain.weight),
  deadline: seconds.optional(),
  phases: z.strictObject({ storage: seconds, cpu: seconds, gpu: seconds, network: seconds }).optional(),
  utilisation: z.number().positive().max(1).optional(),
  command: z.array(z.string()).nonempty().optional(),
});

export const heddleFormat: DocumentFormat = {
  kind: "document",
  name: "heddle",
  title: "Heddle's own, JSON lines",
  looks: '{"id": "a", "submit": 0, "gpus": 2, "duration": 600, …}',
  knows: ({ firstLine }) => /^\{.*"gpus"/.test(firstLine) && firstLine.includes('"id"'),
  *jobs(text) {
    for (const [i, line] of text.split("\n").entries()) {
      if (line.trim() !== "") yield { line: i + 1, read: () => jobOf(parsedLine(line)) };
    }
  },
};

const words = ["id", "tenant", "class", "model"];
const numbers = "submit gpus duration estimate iterations cpus memoryBytes batch priority weight deadline".split(" ");

export const heddleTable: TableFormat = {
  kind: "table",
  name: "heddle-table",
  title: "Heddle's own, a table",
  looks: "id,submit,gpus,duration,tenant,…",
  quoted: true,
  knows: ({ fields }) =>
    ["id", "gpus"].every((name) => fields.includes(name)) &&
    ["submit", "duration"].some((name) => fields.includes(name)),
  // One of them may be a column that was misspelt.
  unread: ({ fields }) => fields.filter((name) => !words.includes(name) && !numbers.includes(name)),
  job: (row) => jobOf({ ...fieldsOf(row, words, (name) => row.text(name)), ...fieldsOf(row, numbers, numberOf(row)) }),
};

const numberOf = (row: Row) => (name: string) => row.number(name, { min: Number.NEGATIVE_INFINITY });

const fieldsOf = <T>(row: Row, names: readonly string[], read: (name: string) => T): Record<string, T> =>
  Object.fromEntries(names.flatMap((name) => (row.optional(name) === undefined ? [] : [[name, read(name)]])));

function jobOf(fields: unknown): JobSpec {
  const parsed = job.safeParse(fields);
  if (!parsed.success) throw new BadRow(issuesInWords(parsed.error));
  // A field that is absent is absent, and not undefined: parsed from JSON, it cannot be otherwise.
  return parsed.data as JobSpec;
}

function parsedLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new BadRow("it is not JSON");
  }
}
