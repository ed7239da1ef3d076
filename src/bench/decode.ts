/** One sequence of Gemma 3 270M, token after token, against llama-bench; the limit is what memory gives for a step's bytes. */
import { loadRunner } from "../model/load.ts";
import { blocksOf, decode, loadOf, openGemma, prefill, stepBytes, tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { limitSide } from "./limits.ts";
import { llamaBench } from "./llama-bench.ts";
import { llamaVersion } from "./peers.ts";
import type { Bench } from "./terms.ts";

const generated = 64;

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  for (const threads of bench.threads) {
    const memory = await limitSide(bench.level, threads, "memory");
    for (const depth of bench.quick ? [64] : [64, 4096]) {
      const runner = await loadRunner(checkpoint, loadOf(bench, threads, depth + generated));
      const blocks = blocksOf(runner, depth + generated);
      await prefill(runner, tokensOf(depth), blocks);
      const bytes = stepBytes(checkpoint, depth + generated / 2);
      const { medians, quotient, terms } = await interleave(bench.repeat, {
        peer: () => llamaBench({ prompt: 0, generated, depth }, threads),
        ours: async () => generated / (await decode(runner, [blocks], depth, generated)),
        limit: async () => (1e9 * (await memory.measure())) / bytes,
      });
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
    await memory.close();
  }
  checkpoint.close();
}
