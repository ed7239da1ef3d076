/** One row of a table, read by the names of its columns. What is wrong with it is said with the column and the value. */
import type { ZodError } from "zod";
import type { Seconds } from "../../time/clock.ts";
import { unixSeconds } from "./time.ts";

/** A row that is no job: `load` names its line and goes on, or stops there if it is to be strict. */
export class BadRow extends Error {
  override readonly name = "BadRow";

  constructor(reason: string) {
    super(printable(reason.length > 300 ? `${reason.slice(0, 300)}…` : reason));
  }
}

/** Of a file that may hold anything: what a terminal would obey or garble is replaced. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\uFFFD]/gu, "·");

/** A row that is right, and of which nothing can be replayed: a job that never ran. Counted, not named. */
export class LeftOut extends Error {
  override readonly name = "LeftOut";
}

export const issuesInWords = ({ issues }: ZodError): string =>
  issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`).join("; ");

interface Bounds {
  readonly min?: number;
  readonly whole?: boolean;
}

export class Row {
  fields: readonly string[] = [];
  /** From 1, as editors count. */
  line = 0;
  readonly #columns: ReadonlyMap<string, number>;

  constructor(columns: readonly string[]) {
    this.#columns = new Map(columns.map((name, i) => [name, i]));
  }

  has(column: string): boolean {
    return this.#columns.has(column);
  }

  /** The field, without blanks around it; `undefined` where it is empty, or the table has no such column. */
  optional(column: string): string | undefined {
    const index = this.#columns.get(column);
    const text = index === undefined ? undefined : this.fields[index]?.trim();
    return text === "" ? undefined : text;
  }

  text(column: string): string {
    const text = this.optional(column);
    if (text !== undefined) return text;
    throw new BadRow(this.has(column) ? `${column} is empty` : `there is no column ${column}`);
  }

  number(column: string, bounds: Bounds = {}): number {
    return checked(column, this.text(column), bounds);
  }

  numberOr<T>(column: string, fallback: T, bounds: Bounds = {}): number | T {
    const text = this.optional(column);
    return text === undefined ? fallback : checked(column, text, bounds);
  }

  /** Seconds since 1970. */
  calendar(column: string): Seconds {
    const text = this.text(column);
    const seconds = unixSeconds(text);
    if (seconds !== undefined) return seconds;
    throw new BadRow(`${column} is "${text}", not a time such as 2026-01-31 23:59:59`);
  }
}

function checked(column: string, text: string, { min = 0, whole = false }: Bounds): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new BadRow(`${column} is "${text}", not a number`);
  if (value < min) throw new BadRow(`${column} is ${text}, below ${min}`);
  if (whole && !Number.isInteger(value)) throw new BadRow(`${column} is ${text}, not a whole number`);
  return value;
}

/** Fields of a row that were given, and no others: a `JobSpec` has no fields that are `undefined`. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: Partial<T> = {};
  for (const key in fields) if (fields[key] !== undefined) kept[key] = fields[key];
  return kept as { [K in keyof T]?: Exclude<T[K], undefined> };
}
