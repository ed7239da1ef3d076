/** Files of text: UTF-8 to the last byte, with its byte-order mark and its line ends as they are. */
import { readFileSync } from "node:fs";
import { UserError } from "../core/errors.ts";

/** Throws a `UserError` for a file that cannot be read, or that is not UTF-8, with the offset of the first wrong byte. */
export function readText(path: string): string {
  const bytes = readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const offset = validPrefix(bytes);
    const byte = bytes[offset]!.toString(16).padStart(2, "0");
    throw new UserError(
      `${path} is not UTF-8: the sequence at byte ${offset} (0x${byte}) is invalid.`,
      "Convert it first, for example with iconv -t UTF-8.",
    );
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EISDIR: "it is a folder",
      EACCES: "no permission",
    };
    const reason = code === undefined ? undefined : reasons[code];
    if (reason === undefined) throw error;
    throw new UserError(`Cannot read ${path}: ${reason}.`, "Check the path.");
  }
}

/** Length of the longest prefix that is whole, valid UTF-8. */
function validPrefix(bytes: Uint8Array): number {
  // Up to any length, a prefix is valid as a stream exactly if no wrong byte lies in it: search by halves.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodesAsStream(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  // What a stream still waits for begins at the last byte that is no continuation.
  let start = Math.min(good, bytes.length);
  while (start > 0 && !isWhole(bytes.subarray(0, start))) start--;
  return start;
}

function decodesAsStream(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function isWhole(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
