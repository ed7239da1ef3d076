/** One sequence of Gemma 3 270M, token after token, against llama-bench; the limit is what memory gives for a step's bytes. */
import { loadRunner } from "../model/load.ts";
import { blocksOf, decode, loadOf, openGemma, prefill, stepBytes, tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { limitsOn } from "./limits.ts";
import { llamaBench } from "./llama-bench.ts";
import { llamaVersion } from "./peers.ts";
import type { Bench } from "./terms.ts";

const generated = 64;

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  for (const threads of bench.threads) {
    const limits = limitsOn(bench.level, threads);
    for (const depth of bench.quick ? [64] : [64, 4096]) {
      const { bytesPerSecond } = await limits();
      const runner = await loadRunner(checkpoint, loadOf(bench, threads, depth + generated));
      const blocks = blocksOf(runner, depth + generated);
      await prefill(runner, tokensOf(depth), blocks);
      const { medians, terms } = await interleave(bench.repeat, {
        ours: async () => generated / (await decode(runner, [blocks], depth, generated)),
        peer: () => llamaBench({ prompt: 0, generated, depth }, threads),
      });
      const bytes = stepBytes(checkpoint, depth + generated / 2);
      bench.row({
        name: `decode at ${depth}`,
        threads,
        unit: "tokens/s",
        ...medians,
        limit: bytesPerSecond / bytes,
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
