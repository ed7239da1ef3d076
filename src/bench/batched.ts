/** Several sequences of Gemma 3 270M decoded together, after prompts of 128 tokens, against llama-batched-bench. */
import { loadRunner } from "../model/load.ts";
import { blocksOf, decode, loadOf, openGemma, prefill, stepBytes, tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { limitsOn } from "./limits.ts";
import { llamaBatched } from "./llama-bench.ts";
import { llamaVersion } from "./peers.ts";
import type { Bench } from "./terms.ts";

const [prompt, generated] = [128, 64];
const ratios: Readonly<Record<number, number>> = { 2: 2, 4: 2.5, 8: 2.5, 16: 2.5, 32: 2.5 };

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  for (const threads of bench.threads) {
    const limits = limitsOn(bench.level, threads);
    const counts = Object.keys(ratios).map(Number);
    // Blocks of 16 positions, enough for the most sequences.
    const blocks = Math.max(...counts) * Math.ceil((prompt + generated) / 16);
    const runner = await loadRunner(checkpoint, { ...loadOf(bench, threads, prompt + generated), blocks });
    for (const sequences of bench.quick ? [2, 32] : counts) {
      const { bytesPerSecond } = await limits();
      const all = Array.from({ length: sequences }, (_, i) => blocksOf(runner, prompt + generated, i));
      for (const [i, blocks] of all.entries()) await prefill(runner, tokensOf(prompt, i), blocks);
      const { medians, terms } = await interleave(bench.repeat, {
        ours: async () => (sequences * generated) / (await decode(runner, all, prompt, generated)),
        peer: () => llamaBatched(sequences, prompt, generated, threads),
      });
      const bytes = stepBytes(checkpoint, prompt + generated / 2, sequences);
      bench.row({
        name: `batched ${sequences}`,
        threads,
        unit: "tokens/s",
        ...medians,
        limit: (sequences * bytesPerSecond) / bytes,
        goal: { ratio: ratios[sequences]! },
        terms: {
          ...terms,
          prompt,
          generated,
          level: runner.device.level,
          peer: llamaVersion(),
          how: "llama-batched-bench -b 2048 -ub 512",
        },
      });
    }
    await runner.close();
  }
  checkpoint.close();
}
