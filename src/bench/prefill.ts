/** Prompts of Gemma 3 270M against llama-bench; the limit is the products alone at the int8 peak. */
import { loadRunner } from "../model/load.ts";
import { blocksOf, loadOf, openGemma, prefill, prefillOperations, tokensOf } from "./gemma-steps.ts";
import { interleave } from "./interleave.ts";
import { limitsOn } from "./limits.ts";
import { llamaBench } from "./llama-bench.ts";
import { llamaVersion } from "./peers.ts";
import type { Bench } from "./terms.ts";

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openGemma();
  for (const threads of bench.threads) {
    const limits = limitsOn(bench.level, threads);
    const runner = await loadRunner(checkpoint, loadOf(bench, threads, 2048));
    await prefill(runner, tokensOf(16), blocksOf(runner, 16));
    for (const length of bench.quick ? [32, 128] : [32, 128, 512, 2048]) {
      // Short prompts are computed several times: a few milliseconds alone are no measurement.
      const times = Math.max(1, Math.floor(256 / length));
      const ours = async (): Promise<number> => {
        let seconds = 0;
        for (let i = 0; i < times; i++) seconds += await prefill(runner, tokensOf(length, i), blocksOf(runner, length));
        return (times * length) / seconds;
      };
      const peer = (): Promise<number | undefined> => llamaBench({ prompt: length, generated: 0, depth: 0 }, threads);
      const { medians, terms } = await interleave(bench.repeat, { ours, peer });
      const limit = (length * (await limits()).operationsPerSecond.int8) / prefillOperations(checkpoint, length);
      bench.row({
        name: `prefill ${length}`,
        threads,
        unit: "tokens/s",
        ...medians,
        limit,
        goal: { ratio: 2 },
        terms: { ...terms, level: runner.device.level, peer: llamaVersion(), how: "llama-bench, its defaults" },
      });
    }
    await runner.close();
  }
  checkpoint.close();
}
