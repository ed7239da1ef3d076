/**
 * One sequence of Gemma 3 270M, token after token, against llama-bench. The limit is what memory gives the same threads for a step's
 * bytes, read in turn with a few steps each.
 */
import { mean } from "../core/statistics.ts";
import { limitWork } from "../device/limits.ts";
import { loadRunner } from "../model/load.ts";
import { blocksOf, decode, loadOf, openGemma, prefill, stepBytes, tokensOf } from "./gemma-steps.ts";
import { interleave, together } from "./interleave.ts";
import { llamaBench } from "./llama-bench.ts";
import { llamaVersion } from "./peers.ts";
import type { Bench } from "./terms.ts";

const generated = 64;
/** In turn with the limit's reads of as many bytes. */
const stepsAtOnce = 8;

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  for (const threads of bench.threads) {
    for (const depth of bench.quick ? [64] : [64, 4096]) {
      const runner = await loadRunner(checkpoint, loadOf(bench, threads, depth + generated));
      const blocks = blocksOf(runner, depth + generated);
      await prefill(runner, tokensOf(depth), blocks);
      const bytes = stepBytes(checkpoint, depth + generated / 2);
      const memory = limitWork(runner.device, "memory", bytes);
      let done = 0;
      const seconds = together(
        {
          ours: async () => {
            await decode(runner, [blocks], depth + done, stepsAtOnce);
            done = (done + stepsAtOnce) % generated;
          },
          limit: async () => {
            for (let i = 0; i < stepsAtOnce; i++) await memory.run();
          },
        },
        { turns: generated / stepsAtOnce, of: mean },
      );
      const rate = (taken: number, part = 1): number => (stepsAtOnce * part) / taken;
      const sides = {
        peer: () => llamaBench({ prompt: 0, generated, depth }, threads),
        ours: async () => rate(await seconds.ours()),
        limit: async () => rate(await seconds.limit(), memory.amount / bytes),
      };
      const { medians, quotient, terms } = await interleave(bench.repeat, sides, 2 * bench.repeat);
      memory.close();
      bench.row({
        name: `decode at ${depth}`,
        threads,
        unit: "tokens/s",
        ...medians,
        share: quotient("ours", "limit"),
        goal: { ratio: 1.1, share: 0.85 },
        terms: {
          ...terms,
          generated,
          stepBytes: bytes,
          level: runner.device.level,
          peer: llamaVersion(),
          how: "llama-bench, its defaults",
        },
      });
      await runner.close();
    }
  }
  checkpoint.close();
}
