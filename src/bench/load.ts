/** From nothing to the first streamed token over HTTP, the file in the page cache: `heddle serve` against llama-server. */
import { readFileSync } from "node:fs";
import { gemmaFile, tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { llamaVersion } from "./peers.ts";
import { firstToken, llamaOptions, type Server, startOurs, startTheirs } from "./streams.ts";
import type { Bench } from "./terms.ts";

const prompt = tokensOf(16);
const context = 2048;

export async function run(bench: Bench): Promise<void> {
  const threads = Math.max(...bench.threads);
  readFileSync(gemmaFile);
  const { medians, terms } = await interleave(bench.repeat, {
    ours: () => cold(() => startOurs(threads, context)),
    peer: () => cold(() => startTheirs(threads, 1, context)),
  });
  const how = `-np 1 -c ${context} -t ${threads} ${llamaOptions.join(" ")}`;
  bench.row({
    name: "load to first token",
    threads,
    unit: "s",
    ...medians,
    goal: { ratio: 2 },
    terms: { ...terms, prompt: prompt.length, peer: `${llamaVersion()}: llama-server`, how },
  });
}

async function cold(start: () => Promise<Server | undefined>): Promise<number | undefined> {
  const server = await start();
  if (server === undefined) return undefined;
  try {
    return await firstToken(server, prompt);
  } finally {
    await server.end();
  }
}
