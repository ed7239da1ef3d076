/** What a format of traces is: how a file of it is known, and how one of its rows becomes a job. */
import type { JobSpec } from "../job.ts";
import type { Row } from "./row.ts";

/** The beginning of a file. */
export interface Head {
  readonly text: string;
  readonly firstLine: string;
  /** What separates fields in the first line: a tab, a bar or a comma. */
  readonly delimiter: string;
  /** Fields of the first line. */
  readonly fields: readonly string[];
}

interface Common {
  readonly name: string;
  readonly title: string;
  /** What a file of it begins with, for people whose file was not known. */
  readonly looks: string;
  knows(head: Head): boolean;
  /** Its times are of a calendar, or count from nowhere in particular: the first submission becomes 0. */
  readonly shifted?: boolean;
}

export interface TableFormat extends Common {
  readonly kind: "table";
  /** Names of the columns, where the file has no line that names them. */
  readonly columns?: readonly string[];
  /** Fields may be in double quotes. */
  readonly quoted?: boolean;
  /** Throws `BadRow` for what is no job, and `LeftOut` for a job that cannot be replayed. `undefined` for a line to pass over. */
  job(row: Row): JobSpec | undefined;
  /** Columns that it does not read, of a format that people write themselves. */
  unread?(head: Head): readonly string[];
  /** Several rows make one job, in formats that list its parts. */
  merged?(jobs: readonly JobSpec[]): readonly JobSpec[];
}

export interface DocumentFormat extends Common {
  readonly kind: "document";
  /** Jobs, each with the line where it is written; `unless` throws as `TableFormat.job` does. */
  jobs(text: string): Iterable<{ readonly line: number; read(): JobSpec }>;
}

export type TraceFormat = TableFormat | DocumentFormat;

/** Whether the first line names all of these columns, and none of `others`. */
export function namesColumns(head: Head, columns: string, others = ""): boolean {
  const fields = new Set(head.fields);
  return (
    columns.split(",").every((name) => fields.has(name)) &&
    others
      .split(",")
      .filter((name) => name !== "")
      .every((name) => !fields.has(name))
  );
}

/** What traces that say nothing of it have. */
export const plain = { tenant: "default", priority: 0, weight: 1 } as const;
