/**
 * A trace from its file: the format is known by looking at the beginning, rows are read as they come, and what is wrong with a row
 * is said with its line.
 *
 *     bytes (perhaps gzip) ─► head ─► format ─► rows ─► jobs, problems by line, counts of what was left out ─► sorted by submission
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, gunzipSync, type ZlibOptions } from "node:zlib";
import { CsvError, parse } from "csv-parse";
import { nearest, UserError } from "../../core/errors.ts";
import type { Seconds } from "../../time/clock.ts";
import type { JobSpec } from "../job.ts";
import type { DocumentFormat, Head, TableFormat, TraceFormat } from "./format.ts";
import { gavelFormats } from "./gavel.ts";
import { heddleFormat, heddleTable } from "./heddle.ts";
import { phillyLogFormat } from "./philly-log.ts";
import { productionFormats } from "./production.ts";
import { BadRow, LeftOut, printable, Row } from "./row.ts";
import { sacctFields, sacctFormat } from "./sacct.ts";
import { simulatorFormats } from "./simulators.ts";

export const traceFormats: readonly TraceFormat[] = [
  ...simulatorFormats,
  ...gavelFormats,
  ...productionFormats,
  phillyLogFormat,
  sacctFormat,
  heddleFormat,
  heddleTable,
];

export interface Problem {
  readonly line: number;
  readonly reason: string;
}

export interface Trace {
  readonly path: string;
  readonly format: string;
  /** By submission; in the order of the file where that is equal. */
  readonly jobs: readonly JobSpec[];
  /** Rows that are no jobs, passed over. */
  readonly problems: readonly Problem[];
  /** Columns of the user's own that say nothing here. */
  readonly unread: readonly string[];
  /** Jobs that are right and cannot be replayed, by reason. */
  readonly leftOut: ReadonlyMap<string, number>;
  /** What its second 0 is: seconds since 1970 of a log with calendar times, else seconds of its own. */
  readonly origin: Seconds;
}

export interface LoadOptions {
  /** One of `traceFormats` by name, instead of looking. */
  readonly format?: string;
  /** The first bad row is an error. */
  readonly strict?: boolean;
}

/**
 * `path` may be a pipe (`<(zcat …)`), or `-` for standard input. Throws a `UserError` for a file that cannot be read, that no format
 * knows, or that has no job.
 */
export async function loadTrace(path: string, options: LoadOptions = {}): Promise<Trace> {
  const place = path === "-" ? "/dev/stdin" : path;
  const found = await stat(place).catch(() => undefined);
  if (found?.isFIFO() !== true) return loadFile(place, options);
  // A format is known by its beginning, and read from there once more.
  const folder = await mkdtemp(join(tmpdir(), "heddle-trace-"));
  try {
    const copy = join(folder, "standard-input");
    await pipeline(createReadStream(place), createWriteStream(copy));
    return await loadFile(copy, options, path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** `shown` is what the user calls it. */
async function loadFile(path: string, options: LoadOptions, shown = path): Promise<Trace> {
  const { format: name, strict = false } = options;
  const head = headOf(await firstBytes(path), path);
  const format = name === undefined ? knownFormat(head, shown) : formatNamed(name);
  const rows = new Collected(shown, format, strict);
  if (format.kind === "table") rows.unread = format.unread?.(head) ?? [];
  if (format.kind === "document") await readDocument(path, format, rows);
  else await readTable(path, format, head, rows);
  return rows.trace();
}

const headBytes = 65_536;

async function firstBytes(path: string): Promise<Uint8Array> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`Cannot read ${path}: ${error.code === "ENOENT" ? "there is no such file" : error.message}.`);
  });
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new UserError(`Cannot read ${path}: ${(error as Error).message}.`, "A trace is one file.");
  } finally {
    await file.close();
  }
}

const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

function unpacked(bytes: Uint8Array, path: string, options?: ZlibOptions): Uint8Array {
  try {
    return gunzipSync(bytes, options);
  } catch (error) {
    throw new UserError(`${path} cannot be unpacked: ${(error as Error).message}.`, gzipHint);
  }
}

const gzipHint = "It begins as gzip does; it may have been cut off, or be something else.";

/** Windows writes UTF-16 where a shell's output goes to a file. */
function checkIsUtf8(bytes: Uint8Array, path: string): void {
  const [first, second] = bytes;
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!marked && !(first !== 0 && second === 0)) return;
  throw new UserError(`${path} is no text in UTF-8.`, "If it is UTF-16: iconv -f UTF-16 -t UTF-8.");
}

function headOf(bytes: Uint8Array, path: string): Head & { readonly gzip: boolean } {
  const gzip = isGzip(bytes);
  // The end of what was read is not the end of the stream: what could be unpacked is enough.
  const plainBytes = gzip ? unpacked(bytes, path, { finishFlush: constants.Z_SYNC_FLUSH }) : bytes;
  checkIsUtf8(plainBytes, path);
  const text = new TextDecoder().decode(plainBytes);
  // Parsers pass over blank lines, at the beginning too.
  const firstLine = /^[^\r\n]*/.exec(text.trimStart())![0];
  const delimiter = ["\t", "|"].find((d) => firstLine.includes(d)) ?? ",";
  const fields = firstLine.split(delimiter).map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
  return { text, firstLine, delimiter, fields, gzip };
}

function knownFormat(head: Head, path: string): TraceFormat {
  const format = traceFormats.find((f) => f.knows(head));
  if (format !== undefined) return format;
  const seen = head.firstLine === "" ? "it is empty" : `it begins with "${shortened(head.firstLine)}"`;
  // What people get who ask sacct for nothing.
  if (/^JobID +\S/.test(head.firstLine)) {
    throw new UserError(`${path} is sacct's output in columns of fixed width, which cut off.`, sacctHint);
  }
  const all = traceFormats.map(({ name, looks }) => `    ${name.padEnd(18)}${looks}`).join("\n");
  throw new UserError(
    `${path} is of no format that is known: ${seen}.`,
    `Known are\n${all}\n  --format NAME overrides.`,
  );
}

const sacctHint = `Ask for fields with bars between them: sacct --parsable2 --format=${sacctFields}.`;

const shortened = (text: string): string => printable(text.length > 120 ? `${text.slice(0, 120)}…` : text);

function formatNamed(name: string): TraceFormat {
  const format = traceFormats.find((f) => f.name === name);
  if (format !== undefined) return format;
  const names = traceFormats.map((f) => f.name);
  const guess = nearest(name, names);
  throw new UserError(
    `There is no format "${name}".`,
    guess !== undefined ? `Did you mean "${guess}"?` : `Formats: ${names.join(", ")}.`,
  );
}

/** What is read of a file, until it is all there. */
class Collected {
  readonly #path: string;
  readonly #format: TraceFormat;
  readonly #strict: boolean;
  #jobs: JobSpec[] = [];
  readonly #lineOf = new Map<string, number>();
  readonly #problems: Problem[] = [];
  readonly #leftOut = new Map<string, number>();
  unread: readonly string[] = [];

  constructor(path: string, format: TraceFormat, strict: boolean) {
    this.#path = path;
    this.#format = format;
    this.#strict = strict;
  }

  add(line: number, read: () => JobSpec | undefined): void {
    try {
      const job = read();
      if (job === undefined) return;
      this.#checkNew(job.id, line);
      this.#jobs.push(job);
    } catch (error) {
      if (error instanceof LeftOut) {
        this.#leftOut.set(error.message, (this.#leftOut.get(error.message) ?? 0) + 1);
      } else if (error instanceof BadRow) this.problem(line, error.message);
      else throw error;
    }
  }

  problem(line: number, reason: string): void {
    if (this.#strict) {
      throw new UserError(
        `${this.#path}, line ${line}, as ${this.#format.name}: ${reason}.`,
        "Correct the line, or leave out --strict to pass over it.",
      );
    }
    this.#problems.push({ line, reason });
  }

  /** A job of several rows is named by each of them. */
  #checkNew(id: string, line: number): void {
    if (this.#format.kind === "table" && this.#format.merged !== undefined) return;
    const first = this.#lineOf.get(id);
    if (first !== undefined) throw new BadRow(`job ${id} is in line ${first} already`);
    this.#lineOf.set(id, line);
  }

  trace(): Trace {
    const { name, shifted = false } = this.#format;
    const merged = this.#format.kind === "table" ? this.#format.merged?.(this.#jobs) : undefined;
    const jobs = (merged ?? this.#jobs).toSorted((a, b) => a.submit - b.submit);
    const first = jobs[0];
    if (first === undefined) throw new UserError(this.#nothing());
    const origin = shifted ? first.submit : 0;
    return {
      path: this.#path,
      format: name,
      jobs: origin === 0 ? jobs : jobs.map((job) => ({ ...job, submit: job.submit - origin })),
      problems: this.#problems,
      leftOut: this.#leftOut,
      unread: this.unread,
      origin,
    };
  }

  #nothing(): string {
    const bad = this.#problems[0];
    const why = bad === undefined ? "none of its rows is one" : `line ${bad.line}: ${bad.reason}`;
    const left = [...this.#leftOut].map(([reason, jobs]) => `; ${jobs} ${reason}`).join("");
    return `${this.#path} has no jobs, read as ${this.#format.name}: ${why}${left}.`;
  }
}

async function readTable(
  path: string,
  format: TableFormat,
  head: Head & { readonly gzip: boolean },
  rows: Collected,
): Promise<void> {
  const named = format.columns;
  let row = named === undefined ? undefined : new Row(named);
  const parser = parse({
    bom: true,
    delimiter: head.delimiter,
    // Files that were put together on several machines have lines that end in several ways.
    recordDelimiter: ["\r\n", "\n", "\r"],
    quote: format.quoted === true ? '"' : null,
    relaxColumnCount: true,
    relaxQuotes: true,
    skipEmptyLines: true,
    // Rows are used here, one by one, and never gathered by the parser.
    onRecord: (fields: string[], { lines }) => {
      const isBlank = fields.length === 1 && fields[0]!.trim() === "";
      if (isBlank) return null;
      if (row === undefined) row = new Row(fields.map((name) => name.trim()));
      else use(row, fields, lines);
      return null;
    },
  });
  const use = (into: Row, fields: readonly string[], line: number): void => {
    into.fields = fields;
    into.line = line;
    rows.add(line, () => format.job(checkedWidth(into, format)));
  };
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const source = head.gzip ? file.pipe(createGunzip()) : file;
  await new Promise<void>((resolve, reject) => {
    file.on("error", reject);
    source.on("error", reject);
    parser.on("error", reject).on("end", resolve).resume();
    source.pipe(parser);
  }).catch((error: unknown) => {
    if (error instanceof CsvError) {
      throw new UserError(`${path} is not a table as ${format.name} has it: ${error.message}.`);
    }
    if (!head.gzip || error instanceof UserError) throw error;
    throw new UserError(`${path} cannot be unpacked: ${(error as Error).message}.`, gzipHint);
  });
}

/** A row that was cut off has its numbers in the wrong columns, where a format has no line that names them. */
function checkedWidth(row: Row, format: TableFormat): Row {
  const width = format.columns?.length;
  if (width === undefined || row.fields.length === width) return row;
  throw new BadRow(`it has ${row.fields.length} fields, not ${width}`);
}

async function readDocument(path: string, format: DocumentFormat, rows: Collected): Promise<void> {
  const bytes = await readFile(path);
  const text = new TextDecoder().decode(isGzip(bytes) ? unpacked(bytes, path) : bytes);
  try {
    for (const { line, read } of format.jobs(text)) rows.add(line, read);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UserError(`${path} is not JSON as ${format.name} has it: ${error.message}.`);
  }
}
