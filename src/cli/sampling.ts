/** How tokens are drawn: the options of `generate` and `chat`. */
import { randomInt } from "node:crypto";
import type { Command } from "commander";
import type { Sampling } from "../serve/generation.ts";
import { numberFrom, wholeFrom } from "./arguments.ts";

export interface SamplingArguments {
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly presencePenalty?: number;
  readonly frequencyPenalty?: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
}

export function addSamplingOptions(command: Command, temperature: number): void {
  const signed = numberFrom(-2, 2);
  command
    .option("--temperature <t>", "0 takes the likeliest token", numberFrom(0), temperature)
    .option("--top-k <k>", "draw among the k likeliest", wholeFrom(1))
    .option("--top-p <p>", "draw among the likeliest that have this probability together", numberFrom(0, 1))
    .option("--min-p <p>", "draw among those this likely, relative to the likeliest", numberFrom(0, 1))
    .option("--presence-penalty <x>", "taken from the logit of what was written", signed)
    .option("--frequency-penalty <x>", "the same, for each time it was written", signed)
    .option("--repetition-penalty <x>", "divides the logit of what was read or written", numberFrom(0))
    .option("--seed <n>", "the same seed draws the same (default: another each time)", wholeFrom(0));
}

export function samplingOf(given: SamplingArguments): Sampling {
  const { temperature, topK, topP, minP, presencePenalty, frequencyPenalty, repetitionPenalty, seed } = given;
  return {
    temperature,
    ...(topK !== undefined && { topK }),
    ...(topP !== undefined && { topP }),
    ...(minP !== undefined && { minP }),
    ...(presencePenalty !== undefined && { presencePenalty }),
    ...(frequencyPenalty !== undefined && { frequencyPenalty }),
    ...(repetitionPenalty !== undefined && { repetitionPenalty }),
    seed: seed ?? randomInt(2 ** 32),
  };
}
