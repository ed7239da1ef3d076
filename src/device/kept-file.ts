/**
 * Files that hold code which is run again. What is read is this user's own, writable by nobody else, and checked against its own
 * SHA-256, which holds its name too: code that was kept for one thing is not run for another.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const hashBytes = 32;
const othersWrite = 0o022;

/** `undefined` where there is no such file, it is damaged, or somebody else may have written it. */
export function readKept(path: string): Buffer | undefined {
  try {
    const file = openSync(path, "r");
    try {
      if (!isOurs(file)) return undefined;
      const bytes = readFileSync(file);
      const payload = bytes.subarray(hashBytes);
      return hashOf(path, payload).equals(bytes.subarray(0, hashBytes)) ? payload : undefined;
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}

/** Users are told apart where the system has them. */
function isOurs(file: number): boolean {
  const user = process.getuid?.();
  if (user === undefined) return true;
  const { uid, mode } = fstatSync(file);
  return uid === user && (mode & othersWrite) === 0;
}

/**
 * The whole file or none of it; of the folder's files, the newest `filesMax` stay. A disk that is full or read-only costs
 * speed, and nothing else.
 */
export function writeKept(path: string, payload: Uint8Array, filesMax: number): void {
  const folder = dirname(path);
  // Nobody can know the name, and so none can put a link there.
  const beside = `${path}.${randomUUID()}`;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(beside, Buffer.concat([hashOf(path, payload), payload]), { mode: 0o600, flag: "wx" });
    renameSync(beside, path);
  } catch {
    tryTo(() => rmSync(beside, { force: true }));
  }
  tryTo(() => removeOldest(folder, filesMax));
}

function hashOf(path: string, payload: Uint8Array): Buffer {
  return createHash("sha256").update(basename(path)).update("\0").update(payload).digest();
}

function removeOldest(folder: string, filesMax: number): void {
  const files = readdirSync(folder).map((name) => join(folder, name));
  if (files.length <= filesMax) return;
  const changed = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const byAge = files.map((path) => ({ path, at: changed(path) })).sort((a, b) => b.at - a.at);
  for (const { path } of byAge.slice(filesMax)) tryTo(() => rmSync(path, { force: true }));
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // What could not be written may not be there to remove, and another process may be removing, too.
  }
}
