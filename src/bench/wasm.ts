/**
 * WebAssembly: fp32 products against tfjs-wasm and ONNX Runtime Web, both in Node; and how near decoding comes to machine code.
 * The limit is 128-bit multiplications and additions in registers, measured on the same level.
 */
import { loadRunner } from "../model/load.ts";
import { blocksOf, decode, openGemma, prefill, tokensOf } from "./gemma-steps.ts";
import { interleave, secondsOf } from "./interleave.ts";
import { type LimitSide, limitSide } from "./limits.ts";
import { ourMatmul } from "./our-matmul.ts";
import { nodePeer } from "./peers.ts";
import type { Bench } from "./terms.ts";

const shapes: readonly (readonly [number, number, number])[] = [
  [512, 512, 512],
  [1024, 1024, 1024],
  [128, 2048, 640],
  [333, 777, 555],
];
/** tfjs-wasm has no threads in Node: what it does with one is held against one of ours. */
const peersOf = (threads: number): readonly string[] => (threads === 1 ? ["tfjs", "ort"] : ["ort"]);

export async function run(bench: Bench): Promise<void> {
  for (const threads of bench.threads) {
    const limit = await limitSide("wasm", threads, "f32");
    for (const shape of bench.quick ? shapes.slice(0, 1) : shapes) {
      await product(bench, shape, threads, limit);
    }
    await limit.close();
  }
  await decoding(bench);
}

async function product(
  bench: Bench,
  [m, n, k]: readonly [number, number, number],
  threads: number,
  limit: LimitSide,
): Promise<void> {
  for (const library of peersOf(threads)) {
    const peer = nodePeer("wasm-gemm.mjs");
    const ours = await ourMatmul({ level: "wasm", threads, type: "f32", m, n, k });
    const rate = (seconds: number): number => (2 * m * n * k) / seconds / 1e9;
    const ready = await peer?.ask<{ readonly peer: string; readonly prepacked: boolean }>({
      prepare: { library, m, n, k, threads },
    });
    const { medians, quotient, terms } = await interleave(bench.repeat, {
      peer: async () => peer && rate((await peer.ask<{ readonly seconds: number }>({ time: true })).seconds),
      ours: async () => rate((await secondsOf(ready?.prepacked === true ? ours.run : ours.packAndRun)) / ours.products),
      limit: () => limit.measure(),
    });
    await peer?.close();
    await ours.close();
    bench.row({
      name: `wasm gemm fp32 ${m}×${n}×${k}`,
      threads,
      unit: "GF/s",
      ...medians,
      share: quotient("ours", "limit"),
      goal: { ratio: 1.5, share: 0.8 },
      // No program is faster than this ratio: the goal is out of reach where the peer is near the limit itself.
      terms: { ...terms, ...ready, ratioAtLimit: quotient("limit", "peer") },
    });
  }
}

const generated = 32;

/** The same steps on both levels, one thread: what leaving machine code costs. */
async function decoding(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  const open = async (level?: "wasm") => {
    const runner = await loadRunner(checkpoint, { threads: 1, context: 64 + generated, ...(level && { level }) });
    const blocks = blocksOf(runner, 64 + generated);
    await prefill(runner, tokensOf(64), blocks);
    return { runner, rate: async () => generated / (await decode(runner, [blocks], 64, generated)) };
  };
  const [ours, x64] = [await open("wasm"), await open()];
  const { medians, terms } = await interleave(bench.repeat, { ours: ours.rate, peer: x64.rate });
  const how = { ...terms, generated, peer: `Heddle, ${x64.runner.device.level}` };
  bench.row({ name: "wasm decode", threads: 1, unit: "tokens/s", ...medians, goal: { ratio: 0.4 }, terms: how });
  for (const { runner } of [ours, x64]) await runner.close();
  checkpoint.close();
}
