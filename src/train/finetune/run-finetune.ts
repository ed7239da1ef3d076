/**
 * Trains an adapter of a model on conversations, and writes its file.
 *
 *     chat.jsonl ──► held out │ taught ──► batches, shuffled by epoch ──► engine ──► checkpoints … ──► NAME.safetensors
 */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import { draw } from "../../core/random.ts";
import type { ChatMessage } from "../../model/chat.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Clock } from "../../time/clock.ts";
import { Checkpoints } from "../checkpoint.ts";
import { type Outcome, type TrainEvent, train } from "../engine.ts";
import { machineFiles, writeWhole } from "../files.ts";
import type { ArrayMachine } from "../machine.ts";
import type { BatchSource } from "../step.ts";
import { type AdapterOptions, type AdapterStep, openAdapterStep } from "./adapter-step.ts";
import { type Taught, taught } from "./conversations.ts";
import { adapterParts } from "./export.ts";

export interface FinetuneRun {
  readonly checkpoint: Checkpoint;
  readonly conversations: readonly (readonly ChatMessage[])[];
  readonly name: string;
  readonly folder: string;
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
  readonly batch: number;
  /** Tokens of a conversation; what is longer is cut. */
  readonly length: number;
  readonly steps: number;
  readonly learningRate: number;
  /** Share of the conversations that are not trained on. */
  readonly heldOut: number;
  readonly evaluateEvery: number;
  readonly saveEvery: number;
  readonly seed: number;
  readonly resume: boolean;
  readonly machine: ArrayMachine;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
  observe(event: TrainEvent): void;
  warn(line: string): void;
}

export interface FinetuneOutcome extends Outcome {
  /** `undefined` where the training was stopped before its end. */
  readonly file: string | undefined;
  /** Numbers that were trained. */
  readonly parameters: number;
  /** The mean loss over what was held out, before and after. */
  readonly heldOut: { readonly before: number; readonly after: number } | undefined;
}

const checkpointsKept = 2;
/** Rows of logits of a batch: over a large vocabulary they are most of the memory. */
const rowsMax = 512;

export async function runFinetune(run: FinetuneRun): Promise<FinetuneOutcome> {
  const examples = examplesOf(run);
  const options = optionsOf(run, [...examples.trained, ...examples.heldOut]);
  const store = new Checkpoints(`${run.folder}/checkpoints`, {
    keep: checkpointsKept,
    identity: identityOf(run),
    warn: run.warn,
  });
  if (!run.resume) await store.refuseEarlier(`Fine-tuning into ${run.folder}`);
  const step = await openAdapterStep(run.machine, options);
  try {
    const measure = (): Promise<number> => meanLoss(step, examples.heldOut, run.batch);
    const before = examples.heldOut.length > 0 && !run.resume ? await measure() : undefined;
    let after = Number.NaN;
    const outcome = await train({
      step,
      open: async (position) => batchesFrom(examples.trained, run, position),
      steps: run.steps,
      clock: run.clock,
      checkpoints: { store, every: run.saveEvery, resume: run.resume },
      ...(examples.heldOut.length > 0 && {
        evaluate: { every: run.evaluateEvery, run: async () => ({ heldOut: (after = await measure()) }) },
      }),
      observe: run.observe,
      ...(run.signal !== undefined && { signal: run.signal }),
    });
    const parameters = step.factors.reduce((n, factor) => n + step.values(factor).length, 0);
    const heldOut = before === undefined ? undefined : { before, after };
    if (outcome.why === "stopped") return { ...outcome, file: undefined, parameters, heldOut };
    const file = `${run.folder}/${run.name}.safetensors`;
    await writeWhole(machineFiles, file, await adapterParts(step, options));
    return { ...outcome, file, parameters, heldOut };
  } finally {
    await step.close();
  }
}

/** Every so many are held out, evenly: the file may be sorted. */
function examplesOf({ checkpoint, conversations, length, heldOut, warn }: FinetuneRun): {
  readonly trained: readonly Taught[];
  readonly heldOut: readonly Taught[];
} {
  const all = conversations.flatMap((messages) => taught(checkpoint, messages, length) ?? []);
  const lost = conversations.length - all.length;
  if (lost > 0) warn(`${lost} of ${conversations.length} conversations have no answer within ${length} tokens.`);
  const isHeldOut = (i: number): boolean => Math.floor((i + 1) * heldOut) > Math.floor(i * heldOut);
  const split = { trained: all.filter((_, i) => !isHeldOut(i)), heldOut: all.filter((_, i) => isHeldOut(i)) };
  if (split.trained.length > 0) return split;
  throw new UserError(
    `Fine-tuning on ${conversations.length} conversations: none is left to train on.`,
    "Give more of them, a greater --length or a smaller --held-out.",
  );
}

function optionsOf(run: FinetuneRun, examples: readonly Taught[]): AdapterOptions {
  const { checkpoint, targets, rank, alpha, batch, seed, steps, learningRate: peak } = run;
  // Kernels work on whole vectors; and what no conversation fills is not computed.
  const length = Math.min(run.length, Math.ceil(Math.max(...examples.map(({ tokens }) => tokens.length)) / 16) * 16);
  const answers = Math.max(...examples.map((example) => example.answers.length));
  const rows = Math.min(rowsMax, Math.ceil((batch * answers) / 16) * 16);
  return {
    checkpoint,
    targets,
    rank,
    alpha,
    batch,
    length,
    rows,
    seed,
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, clip: 1 },
    schedule: { kind: "cosine", peak, last: peak / 10, warmup: Math.min(20, Math.ceil(steps / 10)), steps },
  };
}

/** Of what a checkpoint must not be mixed with. */
function identityOf({ checkpoint, conversations, rank, alpha, targets, batch, length, heldOut, seed }: FinetuneRun) {
  const parts = [checkpoint.name, rank, alpha, targets, batch, length, heldOut, seed, conversations];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** The mean over conversations in batches, the last of which may be short. */
async function meanLoss(step: AdapterStep, examples: readonly Taught[], batch: number): Promise<number> {
  let [sum, count] = [0, 0];
  for (let i = 0; i < examples.length; i += batch) {
    const part = examples.slice(i, i + batch);
    const answers = part.reduce((n, { answers: { length } }) => n + length, 0);
    sum += (await step.evaluate!(part)) * answers;
    count += answers;
  }
  return sum / count;
}

/** Batch `position` and on: each epoch in an order of its own, which is a function of the seed. */
function batchesFrom(
  examples: readonly Taught[],
  { batch, seed }: Pick<FinetuneRun, "batch" | "seed">,
  from: number,
): BatchSource<readonly Taught[]> {
  const size = Math.min(batch, examples.length);
  const perEpoch = Math.floor(examples.length / size);
  let position = from;
  let order: readonly number[] = [];
  let ordered = -1;
  return {
    get position() {
      return position;
    },
    async next() {
      const epoch = Math.floor(position / perEpoch);
      if (epoch !== ordered) {
        const keys = examples.map((_, i) => draw(seed, epoch, i));
        order = [...keys.keys()].sort((a, b) => keys[a]! - keys[b]!);
        ordered = epoch;
      }
      const first = (position++ % perEpoch) * size;
      return order.slice(first, first + size).map((i) => examples[i]!);
    },
    async close() {},
  };
}
