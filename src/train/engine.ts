/**
 * The engine of one rank: batches go in, state changes, checkpoints come out.
 *
 *     source ──► step ──► finite? ──► metrics ──► every so many: held-out loss, checkpoint ──► next
 *
 * It measures nothing but time and says nothing: what happens is told as events, from which progress, metrics and plots are made.
 */
import { UserError } from "../core/errors.ts";
import type { Clock } from "../time/clock.ts";
import type { Checkpoints, Progress } from "./checkpoint.ts";
import type { BatchSource, NonFinite, Step, StepMetrics } from "./step.ts";

export type TrainEvent =
  | { readonly kind: "resumed"; readonly step: number }
  /** `seconds` since the training's first step, pauses between processes left out. */
  | { readonly kind: "step"; readonly step: number; readonly seconds: number; readonly metrics: StepMetrics }
  | { readonly kind: "evaluated"; readonly step: number; readonly losses: Readonly<Record<string, number>> }
  | { readonly kind: "saved"; readonly step: number };

export interface Training<Batch> {
  readonly step: Step<Batch>;
  /** Opens the data where a checkpoint left them. */
  open(position: number): Promise<BatchSource<Batch>>;
  /** Optimizer steps in all, those of earlier processes included. */
  readonly steps: number;
  /** Batches of one optimizer step; the step gets them joined by `join`. Default 1. */
  readonly clock: Clock;
  readonly checkpoints?: { readonly store: Checkpoints; readonly every: number; readonly resume: boolean };
  /** Losses by name, over data that are not trained on. */
  readonly evaluate?: { readonly every: number; run(): Promise<Readonly<Record<string, number>>> };
  readonly notes?: Readonly<Record<string, string>>;
  observe(event: TrainEvent): void;
  /** Once it is aborted, the step that runs is the last. */
  readonly signal?: AbortSignal;
}

export interface Outcome {
  /** `ended`: the data have, before the steps had. */
  readonly why: "done" | "stopped" | "ended";
  readonly step: number;
  readonly seconds: number;
}

/** Trains until the steps or the data end, or `signal` says so. Throws a `UserError` where the loss is no longer finite. */
export async function train<Batch>(training: Training<Batch>): Promise<Outcome> {
  const { step, checkpoints, steps, signal, observe } = training;
  const from = await begin(training);
  const source = await training.open(from.position);
  const began = training.clock.now() - from.seconds;
  const seconds = (): number => training.clock.now() - began;
  let done = from.step;
  let saved = from.step;
  const save = async (): Promise<void> => {
    if (checkpoints === undefined || saved === done) return;
    const progress = { step: done, position: source.position, seconds: seconds(), notes: training.notes ?? {} };
    await checkpoints.store.save(step.state, progress);
    saved = done;
    observe({ kind: "saved", step: done });
  };
  const outcome = (why: Outcome["why"]): Outcome => ({ why, step: done, seconds: seconds() });
  try {
    while (done < steps) {
      if (signal?.aborted) {
        await save();
        return outcome("stopped");
      }
      const batch = await source.next();
      if (batch === undefined) break;
      const metrics = await step.run(batch, done + 1);
      if (!finite(metrics)) throw await diverged(training, batch, done + 1, source.position, metrics, saved);
      done++;
      observe({ kind: "step", step: done, seconds: seconds(), metrics });
      if (due(training.evaluate?.every, done, steps)) {
        observe({ kind: "evaluated", step: done, losses: await training.evaluate!.run() });
      }
      if (due(checkpoints?.every, done, steps)) await save();
    }
    await save();
    return outcome(done === steps ? "done" : "ended");
  } finally {
    await source.close();
  }
}

async function begin<Batch>({ step, checkpoints, observe }: Training<Batch>): Promise<Progress> {
  const found = checkpoints?.resume ? await checkpoints.store.restore(step.state) : undefined;
  if (found === undefined) return { step: 0, position: 0, seconds: 0, notes: {} };
  observe({ kind: "resumed", step: found.step });
  return found;
}

/** The last step is always due: what was trained is measured and kept. */
const due = (every: number | undefined, done: number, steps: number): boolean =>
  every !== undefined && (done % every === 0 || done === steps);

const finite = ({ loss, gradientNorm }: StepMetrics): boolean =>
  Number.isFinite(loss) && (gradientNorm === undefined || Number.isFinite(gradientNorm));

async function diverged<Batch>(
  { step, checkpoints }: Training<Batch>,
  batch: Batch,
  number: number,
  position: number,
  { loss, gradientNorm }: StepMetrics,
  saved: number,
): Promise<UserError> {
  const what = Number.isFinite(loss)
    ? `the norm of the gradient is ${gradientNorm} (the loss is ${loss})`
    : `the loss is ${loss}`;
  const where = await step.locate?.(batch, number);
  const first = where === undefined ? "" : ` First not finite: ${describe(where)}.`;
  const kept =
    checkpoints === undefined || saved === 0 ? "Nothing was saved yet." : `${checkpoints.store.path(saved)} is kept.`;
  return new UserError(
    `Training, step ${number}, batch ${position}: ${what}.${first} ${kept}`,
    "A lower learning rate, a longer warm-up or clipping of the gradient helps most often; then go on with --resume.",
  );
}

const describe = ({ what, index, value }: NonFinite): string => `${what}, element ${index}, is ${value}`;
