/**
 * Standard output and error, and how the program ends.
 *
 * Results go to standard output, everything said about them to standard error: with `--json`, standard output holds one
 * JSON document and nothing else.
 */
import { UserError } from "../core/errors.ts";

export const print = (text: string): void => void process.stdout.write(`${text}\n`);
export const printPart = (text: string): void => void process.stdout.write(text);
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** On a terminal, in place of a line of `sayOver`. */
export const say = (text: string): void => void process.stderr.write(`${lineAnew()}${text}\n`);

/** Replaces the last line of a terminal; where standard error is none, says nothing. */
export function sayOver(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${lineAnew()}${text}`);
}

const lineAnew = (): string => (process.stderr.isTTY ? "\r\x1b[2K" : "");

/** A reader that has seen enough (`heddle list | head -1`) is no failure; a disk that is full is the user's. */
export function endOnFailedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      fail(new UserError(`What was printed cannot be written: ${error.message}.`));
    });
  }
}

/** The user's mistakes: no stack, exit 1. Ours: a stack, exit 2. */
export function fail(error: unknown): never {
  if (error instanceof UserError) {
    say(`heddle: ${error.message}`);
    process.exit(1);
  }
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exit(2);
}
