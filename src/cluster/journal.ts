/**
 * What a scheduler is told, written down before it acts: JSON, a line each, on the disk before anything follows from it.
 *
 * A scheduler's state is what its events make of it, so this file is all that a restart needs. A line that was being written when the
 * machine or the process ended is cut off: nothing had followed from it.
 */
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { UserError } from "../core/errors.ts";
import type { Seconds } from "../time/clock.ts";
import type { ClusterEvent } from "./launcher.ts";
import type { LogHeader } from "./log.ts";

export interface JournalHeader {
  readonly kind: "journal";
  readonly version: 1;
  /** Names this scheduler's runs on a cluster that others use too. */
  readonly id: string;
  /** Which launcher: `local`, `slurm`, … */
  readonly on: string;
  /** Seconds of the trace in a second of the wall. */
  readonly timeScale: number;
  /** When the clock showed 0: milliseconds since 1970. */
  readonly epoch: number;
  readonly setup: LogHeader;
}

export type JournalLine =
  | { readonly kind: "event"; readonly event: ClusterEvent; readonly at: Seconds }
  /** The engine's n-th call back (`Clock.at`) was made. */
  | { readonly kind: "tick"; readonly n: number; readonly at: Seconds };

export interface Journal {
  readonly header: JournalHeader;
  /** Lines of schedulers before this one. */
  readonly past: readonly JournalLine[];
  /** Returns when they are on the disk. */
  append(lines: readonly JournalLine[]): void;
  close(): void;
}

/** Opens the journal at `path`, or begins one with the header that `begin` makes. Throws a `UserError` where it is no journal. */
export function openJournal(path: string, begin: () => JournalHeader): Journal {
  const found = existsSync(path) ? parse(path, readFileSync(path, "utf8")) : undefined;
  const file = openSync(path, "a");
  const write = (lines: readonly unknown[]): void => {
    writeAll(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""), path);
    fdatasyncSync(file);
  };
  const rest = { append: write, close: () => closeSync(file) };
  if (found !== undefined) {
    ftruncateSync(file, found.bytes);
    if (found.header !== undefined) return { header: found.header, past: found.lines, ...rest };
  }
  const header = begin();
  write([header]);
  return { header, past: [], ...rest };
}

/** Of the journal at `path`; `undefined` where there is none, or none that was begun. */
export const readHeader = (path: string): JournalHeader | undefined =>
  existsSync(path) ? parse(path, readFileSync(path, "utf8")).header : undefined;

/** All of it: a disk that is nearly full takes a beginning, and only at the next writing says that it is full. */
export function writeAll(file: number, text: string, path: string): void {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  } catch (error) {
    throw new UserError(
      `${path} cannot be written: ${(error as Error).message}.`,
      "Jobs that run are left to run. Make room, and give the same command to go on.",
    );
  }
}

interface Parsed {
  /** Absent where the first line was torn. */
  readonly header: JournalHeader | undefined;
  readonly lines: readonly JournalLine[];
  /** Length of what is whole. */
  readonly bytes: number;
}

function parse(path: string, text: string): Parsed {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const lines = whole
    .split("\n")
    .slice(0, -1)
    .map((line, i) => parseLine(path, line, i + 1));
  const [header, ...rest] = lines as [JournalHeader | undefined, ...JournalLine[]];
  if (header !== undefined && (header.kind !== "journal" || header.version !== 1)) {
    throw new UserError(`${path} is not a journal of this version of Heddle.`, "Give another folder with --state.");
  }
  return { header, lines: rest, bytes: Buffer.byteLength(whole) };
}

function parseLine(path: string, line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new UserError(
      `${path}:${number} is not JSON: ${line.slice(0, 60)}`,
      "The file was changed by something else; with a line missing, jobs could be lost or run twice.",
    );
  }
}
