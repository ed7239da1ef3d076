/** `heddle perplexity`: as llama-perplexity computes it. */
import type { Command } from "commander";
import { perplexity } from "../../model/perplexity.ts";
import { addRunnerOptions, loadOptions, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { withCheckpoint, withRunner } from "../model.ts";
import { print, printJson, say, sayOver } from "../terminal.ts";
import { readText } from "../text-file.ts";

interface Arguments extends RunnerArguments {
  readonly file: string;
  readonly context: number;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .requiredOption("--file <path>", "a text in UTF-8")
    .option("--context <n>", "tokens of a chunk", wholeFrom(1), 512)
    .option("--json", 'print {"perplexity": …}')
    .action(run);
  addRunnerOptions(command);
}

async function run(model: string, given: Arguments): Promise<void> {
  const text = readText(given.file);
  await withCheckpoint(model, (checkpoint) =>
    withRunner(checkpoint, loadOptions(given), async (runner) => {
      const { bos } = checkpoint.tokenizer;
      const observe = (chunk: number, chunks: number, soFar: number) =>
        sayOver(`chunk ${chunk} of ${chunks}: ${soFar.toFixed(4)}`);
      const options = { context: given.context, bos, observe };
      const result = await perplexity(runner, checkpoint.tokenizer.encode(text), options);
      sayOver("");
      if (given.json) return printJson(result);
      print(result.perplexity.toFixed(4));
      say(`${result.counted} tokens in ${result.chunks} chunks of ${given.context}, on ${runner.device.level}`);
    }),
  );
}
