/** llama-bench and llama-batched-bench on Gemma: a rate for each case. Flash attention and batch sizes as they choose them. */
import { gemmaFile } from "./gemma-steps.ts";
import { llamaTool } from "./peers.ts";

export interface LlamaCase {
  readonly prompt: number;
  readonly generated: number;
  readonly depth: number;
}

/** Tokens a second; `undefined` where llama.cpp is not installed. */
export async function llamaBench(
  { prompt, generated, depth }: LlamaCase,
  threads: number,
): Promise<number | undefined> {
  const words = ["-m", gemmaFile, "-p", `${prompt}`, "-n", `${generated}`, "-d", `${depth}`, "-t", `${threads}`];
  const printed = await llamaTool("llama-bench", [...words, "-r", "1", "-o", "jsonl"]);
  if (printed === undefined) return undefined;
  const { avg_ts } = JSON.parse(printed.trim().split("\n").at(-1)!) as { readonly avg_ts: number };
  return avg_ts;
}

/** Generated tokens a second of all sequences together. */
export async function llamaBatched(
  sequences: number,
  prompt: number,
  generated: number,
  threads: number,
): Promise<number | undefined> {
  const context = sequences * (prompt + generated);
  const sizes = ["-npp", `${prompt}`, "-ntg", `${generated}`, "-npl", `${sequences}`, "-c", `${context}`];
  const words = ["-m", gemmaFile, ...sizes, "-b", "2048", "-ub", "512", "-t", `${threads}`, "-tb", `${threads}`];
  const printed = await llamaTool("llama-batched-bench", [...words, "--output-format", "jsonl"]);
  if (printed === undefined) return undefined;
  const line = printed.split("\n").find((text) => text.startsWith("{"));
  return (JSON.parse(line!) as { readonly speed_tg: number }).speed_tg;
}
