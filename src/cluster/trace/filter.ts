/** Part of a trace: `tenant=vc1`, `gpus>=4`, `model~bert`, `submit<86400`; several, with commas between them, must all hold. */
import { UserError } from "../../core/errors.ts";
import type { JobSpec } from "../job.ts";

export type JobFilter = (job: JobSpec) => boolean;

const texts = {
  id: (job: JobSpec) => job.id,
  tenant: (job: JobSpec) => job.tenant,
  class: (job: JobSpec) => job.class ?? "",
  model: (job: JobSpec) => job.model ?? "",
} as const;

const numbers = {
  gpus: (job: JobSpec) => job.gpus,
  submit: (job: JobSpec) => job.submit,
  duration: (job: JobSpec) => job.duration ?? Number.NaN,
  priority: (job: JobSpec) => job.priority,
  batch: (job: JobSpec) => job.batch ?? Number.NaN,
} as const;

const help = `Fields: ${[...Object.keys(texts), ...Object.keys(numbers)].join(", ")}; comparisons: = != ~ (contains) < <= > >=.`;

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  "=": (a, b) => a === b,
  "!=": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};

/** Throws a `UserError` for a field or a comparison that there is not. */
export function jobFilter(text: string): JobFilter {
  const parts = text.split(",").map(partOf);
  return (job) => parts.every((holds) => holds(job));
}

function partOf(text: string): JobFilter {
  const match = /^\s*(\w+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*$/.exec(text);
  if (match === null) throw new UserError(`--filter ${text}: it is no comparison.`, help);
  const [, field = "", operator = "", value = ""] = match;
  if (Object.hasOwn(texts, field)) return textPart(texts[field as keyof typeof texts], operator, value, text);
  if (!Object.hasOwn(numbers, field)) throw new UserError(`--filter ${text}: jobs have no "${field}".`, help);
  const read = numbers[field as keyof typeof numbers];
  const compare = comparisons[operator];
  const bound = Number(value);
  if (compare === undefined || value === "" || Number.isNaN(bound)) {
    throw new UserError(`--filter ${text}: ${field} is compared with a number.`, help);
  }
  return (job) => compare(read(job), bound);
}

function textPart(read: (job: JobSpec) => string, operator: string, value: string, text: string): JobFilter {
  if (operator === "=") return (job) => read(job) === value;
  if (operator === "!=") return (job) => read(job) !== value;
  if (operator === "~") return (job) => read(job).includes(value);
  throw new UserError(`--filter ${text}: a text is compared with =, != or ~.`, help);
}
