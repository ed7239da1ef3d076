/** `heddle train`: from a recipe and its text to a model's file. */
import { mkdirSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { arrayScratchBytes } from "../../device/array-session.ts";
import type { Level } from "../../device/device.ts";
import { levels, openDevice } from "../../device/open.ts";
import { WallClock } from "../../time/wall-clock.ts";
import { recipeCorpus } from "../../train/corpus.ts";
import { deviceMachine } from "../../train/device-machine.ts";
import { parseRecipe, type Recipe } from "../../train/recipe.ts";
import { type RecipeOutcome, runRecipe } from "../../train/run-recipe.ts";
import { wholeFrom } from "../arguments.ts";
import { stopOnSignals } from "../stop-signals.ts";
import { print, printJson, say } from "../terminal.ts";
import { readText } from "../text-file.ts";
import { type TrainReport, trainReport } from "../train-report.ts";

interface Arguments {
  readonly out?: string;
  readonly resume?: boolean;
  readonly steps?: number;
  readonly threads: number;
  readonly level?: Level;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<recipe>", "a file of JSON, or a folder with recipe.json")
    .option(
      "--out <folder>",
      "for checkpoints, metrics and the model (default: the folder, or the file's name without .json)",
    )
    .option("--resume", "go on from the newest checkpoint")
    .option("--steps <n>", "optimizer steps in all, instead of the recipe's", wholeFrom(1))
    .option("--threads <n>", "threads that compute", wholeFrom(1), 2)
    .option("--json", "print {model, parameters, step, seconds, loss, heldOut}")
    .addOption(new Option("--level <level>", "instruction set to use (default: the best)").choices([...levels]))
    .action(run);
}

async function run(given: string, options: Arguments): Promise<void> {
  const isFolder = statSync(given, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const path = isFolder ? join(given, "recipe.json") : given;
  const written = parseRecipe(path, readText(path));
  const recipe = { ...written, training: { ...written.training, steps: options.steps ?? written.training.steps } };
  const folder = resolve(options.out ?? (isFolder ? given : path.replace(/\.json$/i, "")));
  mkdirSync(folder, { recursive: true });
  const corpus = recipeCorpus(recipe, (file) => readText(resolve(dirname(path), file)));
  const { trained, heldOut, tokenizer } = corpus;
  say(
    `${trained.tokens.length} tokens to train on, ${heldOut.tokens.length} held out, ${tokenizer.vocabulary} in the vocabulary`,
  );
  const { model, training } = recipe;
  const report = trainReport({
    name: recipe.name,
    folder,
    steps: training.steps,
    tokensPerStep: training.batch * training.accumulate * model.context,
    live: process.stderr.isTTY === true,
  });
  const stop = stopOnSignals("Stopping after this step, and saving.");
  const device = await openDevice(options.level, { threads: options.threads, scratchBytes: arrayScratchBytes });
  if (device.note !== undefined) say(device.note);
  try {
    const outcome = await runRecipe({
      recipe,
      corpus,
      machine: deviceMachine(device),
      clock: new WallClock(),
      folder,
      resume: options.resume ?? false,
      loaderCores: Math.max(1, availableParallelism() - options.threads),
      signal: stop.signal,
      observe: (event) => report.observe(event),
      warn: say,
    });
    report.end();
    tell(outcome, recipe, folder, report, options);
    process.exitCode = stop.exitCode();
  } finally {
    report.end();
    stop.end();
    await device.close();
  }
}

function tell(
  { step, seconds, parameters, file }: RecipeOutcome,
  { training }: Recipe,
  folder: string,
  { losses }: TrainReport,
  { json }: Arguments,
): void {
  if (json) return printJson({ model: file, parameters, step, seconds, loss: losses.trained, heldOut: losses.heldOut });
  if (file === undefined)
    return say(`Stopped after step ${step} of ${training.steps}; it is saved: go on with --resume.`);
  print(file);
  const held = losses.heldOut === undefined ? "" : `, held-out loss ${losses.heldOut.toFixed(4)}`;
  say(
    `${parameters} parameters, ${step} steps in ${seconds.toFixed(1)} s${held}; metrics and the loss's curve are in ${folder}`,
  );
}
