/**
 * Compiled programs on disk, by content: the name of a file is the hash of the graph, of everything it was compiled with and
 * of the compiler itself. What is read is checked against its own hash before any of it runs.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Program } from "../compile/schedule.ts";
import type { Rendered } from "./device.ts";

export interface ProgramCache {
  /** `parts` are all that the program depends on, as JSON can tell them apart. */
  read(parts: readonly unknown[]): Program<Rendered> | undefined;
  /** A disk that is full or read-only costs speed, and nothing else. */
  write(parts: readonly unknown[], program: Program<Rendered>): void;
}

const hashBytes = 32;

export function programCache(folder: string): ProgramCache {
  const compiler = compilerHash();
  const pathOf = (parts: readonly unknown[]): string => {
    const text = JSON.stringify([compiler, ...parts], (_, x) => (x instanceof Map ? [...x] : x));
    return join(folder, `${createHash("sha256").update(text).digest("hex")}.program`);
  };
  return {
    read(parts) {
      try {
        return decode(readFileSync(pathOf(parts)));
      } catch {
        return undefined;
      }
    },
    write(parts, program) {
      const path = pathOf(parts);
      const beside = `${path}.${process.pid}`;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(beside, encode(program), { mode: 0o600 });
        renameSync(beside, path);
      } catch {
        tryTo(() => rmSync(beside, { force: true }));
      }
    },
  };
}

function tryTo(act: () => void): void {
  try {
    act();
  } catch {
    // What could not be written may not be there to remove.
  }
}

/** Two folders decide what code a graph becomes. */
function compilerHash(): string {
  const hash = createHash("sha256");
  for (const part of ["../compile", "../graph"]) {
    const root = fileURLToPath(new URL(part, import.meta.url));
    const files = readdirSync(root, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((f) => /(?<!\.test)\.[jt]s$/.test(f) && !f.endsWith(".d.ts")).sort()) {
      hash.update(readFileSync(join(root, file)));
    }
  }
  return hash.digest("hex");
}

/** SHA-256 of the rest, the length of a JSON header, the header, then the kernels' code one after the other. */
function encode({ kernels, ...rest }: Program<Rendered>): Uint8Array {
  const names = kernels.map(({ name, code }) => ({ name, bytes: code.length }));
  const header = Buffer.from(JSON.stringify({ ...rest, kernels: names }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const payload = Buffer.concat([length, header, ...kernels.map(({ code }) => code)]);
  return Buffer.concat([createHash("sha256").update(payload).digest(), payload]);
}

function decode(file: Buffer): Program<Rendered> | undefined {
  const payload = file.subarray(hashBytes);
  if (!createHash("sha256").update(payload).digest().equals(file.subarray(0, hashBytes))) return undefined;
  const headerEnd = 4 + payload.readUInt32LE(0);
  const header = JSON.parse(payload.toString("utf8", 4, headerEnd)) as Program<{ name: string; bytes: number }>;
  let at = headerEnd;
  const kernels = header.kernels.map(({ name, bytes }) => {
    at += bytes;
    return { name, code: new Uint8Array(payload.subarray(at - bytes, at)) };
  });
  return { ...header, kernels };
}
