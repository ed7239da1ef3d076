/**
 * Trains what a recipe says, on a corpus, and writes the model's file.
 *
 *     corpus ──► windows ──► loader ──► batches ──► engine ──► checkpoints … ──► NAME.gguf
 */
import { createHash } from "node:crypto";
import { assert, UserError } from "../core/errors.ts";
import { collate, type Fields } from "../data/fields.ts";
import { loaders } from "../data/loader.ts";
import { type OpenLoader, openLoader } from "../data/open-loader.ts";
import type { Pipeline } from "../data/pipeline.ts";
import * as tokenWindows from "../data/token-windows.ts";
import type { Clock } from "../time/clock.ts";
import { Checkpoints } from "./checkpoint.ts";
import type { Corpus } from "./corpus.ts";
import { type Outcome, type TrainEvent, train } from "./engine.ts";
import { trainedGguf } from "./export.ts";
import { machineFiles, writeWhole } from "./files.ts";
import type { ArrayMachine } from "./machine.ts";
import { configOf } from "./model/shape.ts";
import { type ModelStep, openModelStep, type TokenBatch } from "./model-step.ts";
import type { Recipe } from "./recipe.ts";
import type { BatchSource } from "./step.ts";

export interface RecipeRun {
  readonly recipe: Recipe;
  readonly corpus: Corpus;
  readonly machine: ArrayMachine;
  readonly clock: Clock;
  /** Where checkpoints and the model go. */
  readonly folder: string;
  readonly resume: boolean;
  /** Threads that may make batches beside the training. */
  readonly loaderCores: number;
  readonly signal?: AbortSignal;
  observe(event: TrainEvent): void;
  warn(line: string): void;
}

export interface RecipeOutcome extends Outcome {
  /** The model's file; `undefined` where the training was stopped before its end. */
  readonly file: string | undefined;
  readonly parameters: number;
}

/** Memory for batches that wait. */
const loaderBytes = 1 << 28;

export async function runRecipe(run: RecipeRun): Promise<RecipeOutcome> {
  const { recipe, corpus, folder, clock, observe } = run;
  const { training, checkpoints, evaluate } = recipe;
  const store = new Checkpoints(`${folder}/checkpoints`, {
    keep: checkpoints.keep,
    identity: identityOf(recipe, corpus),
    warn: run.warn,
  });
  if (!run.resume) await store.refuseEarlier(`Training into ${folder}`);
  const { step, config } = await openStep(run);
  try {
    const heldOut = heldOutBatches(run);
    const losses = async () => ({ heldOut: await step.evaluate!(heldOut) });
    const outcome = await train({
      step,
      open: (position) => openBatches(run, position),
      steps: training.steps,
      clock,
      checkpoints: { store, every: checkpoints.every, resume: run.resume },
      ...(heldOut.length > 0 && { evaluate: { every: evaluate.every, run: losses } }),
      observe,
      ...(run.signal !== undefined && { signal: run.signal }),
    });
    if (outcome.why === "stopped") return { ...outcome, file: undefined, parameters: step.size };
    const file = `${folder}/${recipe.name}.gguf`;
    const model = { name: recipe.name, config, ropeBase: recipe.model.ropeBase, parameters: step.parameters() };
    await writeModel(file, trainedGguf({ ...model, tokenizer: corpus.metadata, type: recipe.output.type }));
    return { ...outcome, file, parameters: step.size };
  } finally {
    await step.close();
  }
}

/** Throws a `UserError` where it cannot be written: the training itself is in its last checkpoint. */
async function writeModel(file: string, parts: Iterable<Uint8Array>): Promise<void> {
  try {
    await writeWhole(machineFiles, file, parts);
  } catch (error) {
    throw new UserError(
      `Writing the model ${file}: ${(error as Error).message}.`,
      "The training is done and in its last checkpoint: make room, then run it again with --resume.",
    );
  }
}

async function openStep({
  recipe,
  corpus,
  machine,
}: RecipeRun): Promise<{ step: ModelStep; config: ReturnType<typeof configOf> }> {
  const { model, training } = recipe;
  const config = configOf({
    ...model,
    kvHeads: model.kvHeads ?? model.heads,
    // Two thirds of four times the width in whole vectors: with its gate as many parameters as a plain one of four times.
    feedForward: model.feedForward ?? Math.ceil((model.width * 8) / 3 / 32) * 32,
    vocabulary: corpus.tokenizer.vocabulary,
  });
  const { learningRate: peak, learningRateLast, schedule: kind, warmup, steps, clip, ...rest } = training;
  const step = await openModelStep(machine, {
    config,
    batch: training.batch,
    length: model.context,
    accumulate: training.accumulate,
    bf16: training.bf16,
    seed: training.seed,
    optimizer: { ...rest, clip: clip === 0 ? undefined : clip },
    schedule: { kind, peak, last: learningRateLast ?? peak / 10, warmup, steps },
  });
  return { step, config };
}

/** Of what a checkpoint must not be mixed with. Training longer, and saving or measuring more often, is the same training. */
function identityOf({ data, tokenizer, model, training }: Recipe, { hash }: Corpus): string {
  const { steps: _, ...how } = training;
  return createHash("sha256")
    .update(JSON.stringify([data.heldOut, tokenizer, model, how, hash]))
    .digest("hex");
}

function pipelineOf({ recipe: { model, training, data }, corpus }: RecipeRun): Pipeline {
  const windows = tokenWindows.windowsIn(corpus.trained.tokens.length, model.context);
  if (windows < training.batch) {
    throw new UserError(
      `Training in batches of ${training.batch} sequences of ${model.context} tokens: the data have ${windows} such sequences ` +
        `(${corpus.trained.tokens.length} tokens, a share of ${data.heldOut} held out).`,
      "Give more text, a smaller context or a smaller batch.",
    );
  }
  return {
    shards: [windows],
    ops: [
      { kind: "shuffle", buffer: windows },
      { kind: "map", map: "windows" },
    ],
    batch: training.batch,
    epochs: Number.POSITIVE_INFINITY,
    seed: training.seed,
  };
}

/** Batches of a step, joined from `accumulate` of the loader's. */
async function openBatches(run: RecipeRun, position: number): Promise<BatchSource<readonly TokenBatch[]>> {
  const { recipe, corpus, loaderCores } = run;
  const loader = openLoader({
    policy: await loaders.create(recipe.data.loader),
    pipeline: pipelineOf(run),
    module: tokenWindows,
    configuration: { ...corpus.trained, length: recipe.model.context },
    position,
    cores: loaderCores,
    memoryBytes: loaderBytes,
  });
  return {
    get position() {
      return loader.position;
    },
    next: () => nextBatches(loader, recipe.training.accumulate),
    close: () => loader.close(),
  };
}

async function nextBatches(loader: OpenLoader, count: number): Promise<readonly TokenBatch[] | undefined> {
  const batches: TokenBatch[] = [];
  while (batches.length < count) {
    const fields = await loader.next();
    if (fields === undefined) return undefined;
    batches.push(tokenBatch(fields));
  }
  return batches;
}

/** The first windows that were held out, in their order. */
function heldOutBatches({ recipe, corpus }: RecipeRun): readonly TokenBatch[] {
  const { model, training, evaluate } = recipe;
  const windows = tokenWindows.windowsIn(corpus.heldOut.tokens.length, model.context);
  const { windows: cut } = tokenWindows.createMaps({ ...corpus.heldOut, length: model.context });
  const count = Math.min(evaluate.batches, Math.floor(windows / training.batch));
  const batches = Array.from({ length: count }, (_, batch) =>
    collate(
      Array.from({ length: training.batch }, (_, i) =>
        cut!({}, { index: batch * training.batch + i, epoch: 0, seed: 0 }),
      ),
    ),
  );
  return batches.map(tokenBatch).filter(({ weights }) => weights.some((w) => w > 0));
}

function tokenBatch({ tokens, targets, weights }: Fields): TokenBatch {
  const fits = tokens instanceof Int32Array && targets instanceof Int32Array && weights instanceof Float32Array;
  assert(fits, () => "a batch of windows has tokens, targets and weights");
  return { tokens, targets, weights };
}
