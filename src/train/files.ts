/** The part of a file system that training writes to: a port, so that a full disk can be had in a test. */
import { mkdir, open, readdir, rename, unlink } from "node:fs/promises";

export interface OpenFile {
  /** May write less than it is given, as write(2). */
  write(bytes: Uint8Array): Promise<{ readonly bytesWritten: number }>;
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  stat(): Promise<{ readonly size: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Files {
  /** `r` reads, `w` writes anew; a folder is opened to be synced. */
  open(path: string, flags: "r" | "w"): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(path: string): Promise<string[]>;
  mkdir(path: string, options: { readonly recursive: true }): Promise<unknown>;
}

export const machineFiles: Files = { open, rename, unlink, readdir, mkdir };

/** A write is waited for every so many bytes, so that the event loop turns between. */
const chunkBytes = 1 << 24;

/**
 * Writes `path` so that at every moment it is either what it was or complete: beside it, synced, renamed over it, and the
 * folder synced. What an attempt left behind is removed where it fails.
 */
export async function writeWhole(files: Files, path: string, parts: Iterable<Uint8Array>): Promise<void> {
  const beside = `${path}.partial`;
  try {
    const file = await files.open(beside, "w");
    try {
      for (const part of parts) await writeAll(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await files.rename(beside, path);
  } catch (error) {
    await files.unlink(beside).catch(() => undefined);
    throw error;
  }
  await syncFolder(files, path.slice(0, path.lastIndexOf("/")) || ".");
}

async function writeAll(file: OpenFile, part: Uint8Array): Promise<void> {
  for (let at = 0; at < part.length; ) {
    const { bytesWritten } = await file.write(part.subarray(at, at + chunkBytes));
    at += bytesWritten;
  }
}

async function syncFolder(files: Files, path: string): Promise<void> {
  const folder = await files.open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
