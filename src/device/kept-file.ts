/** Files that hold code which is run again: what is read is checked against its own SHA-256 before anybody sees it. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const hashBytes = 32;

/** `undefined` where there is no such file, or it is damaged. */
export function readKept(path: string): Buffer | undefined {
  try {
    const file = readFileSync(path);
    const payload = file.subarray(hashBytes);
    return sha256(payload).equals(file.subarray(0, hashBytes)) ? payload : undefined;
  } catch {
    return undefined;
  }
}

/** The whole file or none of it. A disk that is full or read-only costs speed, and nothing else. */
export function writeKept(path: string, payload: Uint8Array): void {
  const beside = `${path}.${process.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(beside, Buffer.concat([sha256(payload), payload]), { mode: 0o600 });
    renameSync(beside, path);
  } catch {
    tryTo(() => rmSync(beside, { force: true }));
  }
}

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // What could not be written may not be there to remove.
  }
}
