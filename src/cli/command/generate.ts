/** `heddle generate`: continues one prompt. */
import type { Command } from "commander";
import { UserError } from "../../core/errors.ts";
import type { GenerationRequest } from "../../serve/generation.ts";
import { addRunnerOptions, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { findModel } from "../cache.ts";
import { addSamplingOptions, type SamplingArguments, samplingOf } from "../sampling.ts";
import { startService } from "../service.ts";
import { print, printJson, printPart } from "../terminal.ts";
import { readText } from "../text-file.ts";

interface Arguments extends RunnerArguments, SamplingArguments {
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly tokens: number;
  readonly ignoreEos?: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--prompt <text>", "what to continue")
    .option("--prompt-file <path>", "the same, from a file in UTF-8")
    .option("--tokens <n>", "most tokens to produce", wholeFrom(1), 128)
    .option("--ignore-eos", "go on after a token that ends the text")
    .option("--context <n>", "most tokens of prompt and output together (default: the model's)", wholeFrom(1))
    .option("--json", 'print {"tokens": […], "text": "…"}, of what was produced')
    .action(run);
  addSamplingOptions(command, 0.8);
  addRunnerOptions(command);
}

async function run(model: string, given: Arguments): Promise<void> {
  const prompt = promptOf(given);
  const slots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
  const { service, checkpoint, close } = await startService(findModel(model), { ...given, ...slots });
  try {
    const request: GenerationRequest = {
      prompt: checkpoint.tokenizer.encode(prompt),
      choices: 1,
      tokensMax: given.tokens,
      sampling: samplingOf(given),
      stop: [],
      ignoreEos: given.ignoreEos ?? false,
    };
    const tokens: number[] = [];
    let text = "";
    for await (const event of service.generate(request)) {
      if (event.kind === "token") tokens.push(event.token);
      text += event.text;
      if (!given.json) printPart(event.text);
    }
    if (given.json) printJson({ tokens, text });
    else print("");
  } finally {
    await close();
  }
}

function promptOf({ prompt, promptFile }: Arguments): string {
  if (prompt !== undefined && promptFile !== undefined) {
    throw new UserError("Both --prompt and --prompt-file were given.", "Give one of them.");
  }
  if (promptFile !== undefined) return readText(promptFile);
  if (prompt !== undefined) return prompt;
  throw new UserError("There is nothing to continue.", "Give --prompt TEXT or --prompt-file PATH.");
}
