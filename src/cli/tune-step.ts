/** Whole steps of a model without records of tuning and with them, in turns. */
import { median } from "../core/statistics.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import type { Loaded, LoadOptions } from "../model/load.ts";
import type { Seconds } from "../time/clock.ts";
import { withRunner } from "./model.ts";

export interface StepRatio {
  readonly tokens: number;
  readonly before: Seconds;
  readonly after: Seconds;
}

const steps = [
  { tokens: 1, rounds: 10 },
  { tokens: 8, rounds: 8 },
  { tokens: 128, rounds: 6 },
] as const;
/** In a round each takes some steps in a row, the first without being timed: threads of the other are still falling asleep. */
const warming = 2;
const measured = 3;

export function compareSteps(checkpoint: Checkpoint, options: LoadOptions): Promise<StepRatio[]> {
  const { schedules: _, ...without } = options;
  const small = { context: Math.min(checkpoint.config.context, 256), blocks: 32 };
  return withRunner(checkpoint, { ...without, ...small }, (before) =>
    withRunner(checkpoint, { ...options, ...small }, async (after) => {
      const ratios: StepRatio[] = [];
      for (const step of steps) {
        if (step.tokens > small.context) continue;
        const times: [Seconds[], Seconds[]] = [[], []];
        for (let round = 0; round < step.rounds; round++) {
          const inTurns = [[0, before] as const, [1, after] as const];
          for (const [n, runner] of round % 2 === 0 ? inTurns : inTurns.reverse()) {
            for (let i = 0; i < warming; i++) await timed(runner, step.tokens);
            for (let i = 0; i < measured; i++) times[n]!.push(await timed(runner, step.tokens));
          }
        }
        ratios.push({ tokens: step.tokens, before: median(times[0])!, after: median(times[1])! });
      }
      return ratios;
    }),
  );
}

async function timed(runner: Loaded, tokens: number): Promise<Seconds> {
  const ids = Array.from({ length: tokens }, (_, i) => (7919 * i + 11) % runner.vocabulary);
  const blocks = Array.from({ length: Math.ceil(tokens / runner.blockSize) }, (_, i) => i);
  const began = performance.now();
  await runner.step([{ tokens: ids, start: 0, blocks, outputs: 1 }]);
  return (performance.now() - began) / 1000;
}
