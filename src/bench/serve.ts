/** Streaming clients of `heddle serve` and of llama-server: tokens a second, and seconds to the first token. */
import { median } from "../core/statistics.ts";
import { tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { llamaVersion } from "./peers.ts";
import { firstToken, llamaOptions, type Server, startOurs, startTheirs, wave } from "./streams.ts";
import type { Bench } from "./terms.ts";

const prompt = 128;
/** Positions of a sequence, with room for what a server may add. */
const context = 256;
const ratios: Readonly<Record<number, number>> = { 1: 1.3, 4: 2, 8: 3, 16: 3 };

export async function run(bench: Bench): Promise<void> {
  const threads = Math.max(...bench.threads);
  for (const clients of bench.quick ? [4] : Object.keys(ratios).map(Number)) {
    const ours = await startOurs(threads, context);
    const theirs = await startTheirs(threads, clients, context);
    try {
      await compare(bench, threads, clients, { ours, peer: theirs });
    } finally {
      await ours.end();
      await theirs?.end();
    }
  }
}

interface Servers {
  readonly ours: Server;
  readonly peer: Server | undefined;
}

async function compare(bench: Bench, threads: number, clients: number, servers: Servers): Promise<void> {
  const generated = bench.quick ? 8 : 64;
  const firsts: Record<"ours" | "peer", number[]> = { ours: [], peer: [] };
  const seeds = { ours: 0, peer: 0 };
  const measure = (side: "ours" | "peer") => async (): Promise<number | undefined> => {
    const server = servers[side];
    if (server === undefined) return undefined;
    const done = await wave(server.port, { clients, prompt, generated, seed: ++seeds[side] });
    firsts[side].push(...done.firsts);
    return done.rate;
  };
  for (const side of ["ours", "peer"] as const) {
    if (servers[side] !== undefined) await firstToken(servers[side], tokensOf(16));
    await measure(side)();
    firsts[side].length = 0;
  }
  const { medians, terms } = await interleave(bench.repeat, { ours: measure("ours"), peer: measure("peer") });
  const how = `-np ${clients} -c ${clients * context} -t ${threads} ${llamaOptions.join(" ")}`;
  const all = { ...terms, prompt, generated, prefixes: "not shared", peer: `${llamaVersion()}: llama-server`, how };
  const name = `serve ${clients}`;
  bench.row({ name, threads, unit: "tokens/s", ...medians, goal: { ratio: ratios[clients]! }, terms: all });
  bench.row({
    name: `${name}, first token p50`,
    threads,
    unit: "s",
    ours: median(firsts.ours),
    peer: median(firsts.peer),
    ...(clients === 16 && { goal: { ratio: 2 } }),
    terms: all,
  });
}
