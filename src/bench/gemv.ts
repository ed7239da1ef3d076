/**
 * One row against quantised matrices, as in decoding: many matrices in turn, more than ten times the last-level cache of them,
 * so that each is read from memory. GB/s are of the file format's bytes, whatever either side repacks them to.
 */
import { interleave, secondsOf } from "./interleave.ts";
import { type LimitSide, limitSide } from "./limits.ts";
import { lastCacheBytes } from "./machine.ts";
import { matrix } from "./matrices.ts";
import { ourProducts } from "./our-products.ts";
import { llamaVersion, type Peer, pythonPeer } from "./peers.ts";
import type { Bench } from "./terms.ts";

const types = ["Q8_0", "Q4_0", "Q4_K", "Q5_0", "Q6_K"] as const;
const [n, k] = [4096, 2048];

export async function run(bench: Bench): Promise<void> {
  const workingSet = 10.5 * lastCacheBytes();
  for (const threads of bench.threads) {
    const limit = await limitSide(bench.level, threads, "memory");
    const peer = llamaVersion() === undefined ? undefined : pythonPeer("gemv.py", threads);
    try {
      for (const type of bench.quick ? types.slice(0, 1) : types) {
        await compare(bench, type, threads, workingSet, peer, limit);
      }
    } finally {
      await peer?.close();
      await limit.close();
    }
  }
}

async function compare(
  bench: Bench,
  type: (typeof types)[number],
  threads: number,
  workingSet: number,
  peer: Peer | undefined,
  limit: LimitSide,
): Promise<void> {
  const weights = matrix(type, n, k);
  const bytes = weights.bytes().length;
  const count = Math.ceil(workingSet / bytes);
  const ours = await ourProducts({ level: bench.level, threads, weights, m: 1, count });
  const ready = await peer?.ask<{ readonly how: string }>({ prepare: { type, n, k, count } });
  const rate = (seconds: number): number => (count * bytes) / seconds / 1e9;
  const { medians, quotient, terms } = await interleave(bench.repeat, {
    peer: async () => peer && rate((await peer.ask<{ readonly seconds: number }>({ time: true })).seconds),
    // llama.cpp quantises the row anew for each product, and so do we.
    ours: async () => rate(await secondsOf(ours.convertAndRun)),
    limit: () => limit.measure(),
  });
  await ours.close();
  bench.row({
    name: `gemv ${type} ${n}×${k}`,
    threads,
    unit: "GB/s",
    ...medians,
    share: quotient("ours", "limit"),
    // On one thread the peer is the measure, on more the memory.
    goal: threads === 1 ? { ratio: 1.15 } : { share: 0.95 },
    terms: { ...terms, matrices: count, level: ours.level, peer: llamaVersion(), how: ready?.how },
  });
}
