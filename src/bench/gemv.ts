/**
 * One row against quantised matrices, as in decoding: many layers' matrices in turn, or a few vocabularies, more than ten times
 * the last-level cache of them, so that each is read from memory. GB/s are of the file format's bytes, whatever either side
 * repacks them to.
 *
 * The limit is read by the same threads, in as many bytes, on pages of the same size, in turn with the products: it differs in
 * that it is one stream that nobody waits within, where each product waits for its row and for all threads of the one before.
 */
import { limitWork } from "../device/limits.ts";
import { interleave, together } from "./interleave.ts";
import { lastCacheBytes } from "./machine.ts";
import { matrix } from "./matrices.ts";
import { ourProducts } from "./our-products.ts";
import { llamaVersion, type Peer, pythonPeer } from "./peers.ts";
import type { Bench } from "./terms.ts";

interface Shape {
  readonly n: number;
  readonly k: number;
}

const layer: Shape = { n: 4096, k: 2048 };
/** Gemma 3's vocabulary, and where blocks of 256 must fit the row, Qwen's. */
const [gemma, qwen]: readonly [Shape, Shape] = [
  { n: 262_144, k: 640 },
  { n: 151_936, k: 1024 },
];
const cases = [
  { type: "Q8_0", shapes: [layer, gemma] },
  { type: "Q4_0", shapes: [layer, gemma] },
  { type: "Q4_K", shapes: [layer, qwen] },
  { type: "Q5_0", shapes: [layer, gemma] },
  { type: "Q6_K", shapes: [layer, qwen] },
] as const;

interface Case extends Shape {
  readonly type: (typeof cases)[number]["type"];
  readonly threads: number;
}

export async function run(bench: Bench): Promise<void> {
  const all = cases.flatMap(({ type, shapes }) => shapes.map((shape) => ({ type, ...shape })));
  for (const threads of bench.threads) {
    const peer = llamaVersion() === undefined ? undefined : pythonPeer("gemv.py", threads);
    try {
      for (const each of bench.quick ? all.slice(0, 1) : all) await compare(bench, { ...each, threads }, peer);
    } finally {
      await peer?.close();
    }
  }
}

async function compare(bench: Bench, { type, n, k, threads }: Case, peer: Peer | undefined): Promise<void> {
  const weights = matrix(type, n, k);
  const bytes = weights.bytes().length;
  const count = Math.ceil((10.5 * lastCacheBytes()) / bytes);
  const ours = await ourProducts({ level: bench.level, threads, weights, m: 1, count });
  const ready = await peer?.ask<{ readonly how: string }>({ prepare: { type, n, k, count } });
  const memory = limitWork(ours.device, "memory", count * bytes);
  // llama.cpp quantises the row anew for each product, and so do we.
  const seconds = together({ ours: ours.convertAndRun, limit: memory.run });
  const rate = (taken: number): number => (count * bytes) / taken / 1e9;
  const sides = {
    peer: async () => peer && rate((await peer.ask<{ readonly seconds: number }>({ time: true })).seconds),
    ours: async () => rate(await seconds.ours()),
    limit: async () => memory.amount / (await seconds.limit()) / 1e9,
  };
  // Programs whose threads wait for each other suffer more than others where a thread must wait for its processor.
  const { medians, quotient, terms } = await interleave(bench.repeat, sides, 3 * bench.repeat);
  memory.close();
  await ours.close();
  bench.row({
    name: `gemv ${type} ${n}×${k}`,
    threads,
    unit: "GB/s",
    ...medians,
    share: quotient("ours", "limit"),
    // On one thread the peer is the measure, on more the memory.
    goal: threads === 1 ? { ratio: 1.15 } : { share: 0.95 },
    terms: { ...terms, matrices: count, level: ours.device.level, peer: llamaVersion(), how: ready?.how },
  });
}
