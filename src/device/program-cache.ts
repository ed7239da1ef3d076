/**
 * Compiled programs on disk, by content: the name of a file is the hash of the graph, of everything it was compiled with and
 * of the compiler itself. What is read is checked against its own hash before any of it runs.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Program } from "../compile/schedule.ts";
import { compilerHash } from "./compiler-hash.ts";
import type { Rendered } from "./device.ts";
import { readKept, writeKept } from "./kept-file.ts";

/** Some half a megabyte each, of a model of a few hundred calls. */
const programsMax = 128;

export interface ProgramCache {
  /** The program that was made of `parts`: all that it depends on, as JSON can tell them apart. */
  at(parts: readonly unknown[]): KeptProgram;
}

export interface KeptProgram {
  read(): Program<Rendered> | undefined;
  /** A disk that is full or read-only costs speed, and nothing else. */
  write(program: Program<Rendered>): void;
}

export function programCache(folder: string): ProgramCache {
  let compiler: string | undefined;
  return {
    at(parts) {
      compiler ??= compilerHash();
      const text = JSON.stringify([compiler, ...parts], (_, x) => (x instanceof Map ? [...x] : x));
      const path = join(folder, `${createHash("sha256").update(text).digest("hex")}.program`);
      return {
        read() {
          const payload = readKept(path);
          return payload && decode(payload);
        },
        write: (program) => writeKept(path, encode(program), programsMax),
      };
    },
  };
}

/** The length of a JSON header, the header, then the kernels' code one after the other. */
function encode({ kernels, ...rest }: Program<Rendered>): Uint8Array {
  const names = kernels.map(({ name, code }) => ({ name, bytes: code.length }));
  const header = Buffer.from(JSON.stringify({ ...rest, kernels: names }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  return Buffer.concat([length, header, ...kernels.map(({ code }) => code)]);
}

function decode(payload: Buffer): Program<Rendered> {
  const headerEnd = 4 + payload.readUInt32LE(0);
  const header = JSON.parse(payload.toString("utf8", 4, headerEnd)) as Program<{ name: string; bytes: number }>;
  let at = headerEnd;
  const kernels = header.kernels.map(({ name, bytes }) => {
    at += bytes;
    return { name, code: new Uint8Array(payload.subarray(at - bytes, at)) };
  });
  return { ...header, kernels };
}
