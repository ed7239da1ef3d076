/** Trains heddle-tiny, from where a killed training left it, and writes its file. */

import type { Device } from "../../device/device.ts";
import type { Clock } from "../../time/clock.ts";
import { Checkpoints } from "../checkpoint.ts";
import { deviceMachine } from "../device-machine.ts";
import { type Outcome, type TrainEvent, train } from "../engine.ts";
import { trainedGguf } from "../export.ts";
import { openModelStep } from "../model-step.ts";
import { learnTokenizer } from "./format.ts";
import { tinyBatches, tinyName, tinyShape, tinyStep } from "./recipe.ts";

export interface TinyTraining {
  readonly device: Device;
  readonly clock: Clock;
  /** Where checkpoints are kept. */
  readonly folder: string;
  readonly steps: number;
  readonly signal: AbortSignal;
  observe(event: TrainEvent): void;
  warn(line: string): void;
}

export interface Trained {
  readonly outcome: Outcome;
  /** The file, in parts; of what there is, also where the training was stopped. */
  readonly file: readonly Uint8Array[];
}

const every = { evaluation: 250, checkpoint: 250 };
const heldOutBatches = 12;

export async function trainTiny({
  device,
  clock,
  folder,
  steps,
  signal,
  observe,
  warn,
}: TinyTraining): Promise<Trained> {
  const tokenizer = learnTokenizer();
  const options = tinyStep(steps);
  const step = await openModelStep(deviceMachine(device), options);
  try {
    const evaluate = async (): Promise<{ heldOut: number }> => {
      const batches = tinyBatches(tokenizer, "heldOut", 0);
      let sum = 0;
      for (let i = 0; i < heldOutBatches; i++) sum += await step.evaluate!((await batches.next())!);
      return { heldOut: sum / heldOutBatches };
    };
    const outcome = await train({
      step,
      open: async (position) => tinyBatches(tokenizer, "train", position),
      steps,
      clock,
      checkpoints: {
        store: new Checkpoints(folder, {
          keep: 2,
          identity: JSON.stringify([tinyName, tinyShape, options.schedule]),
          warn,
        }),
        every: every.checkpoint,
        resume: true,
      },
      evaluate: { every: every.evaluation, run: evaluate },
      observe,
      signal,
    });
    const model = {
      name: tinyName,
      config: options.config,
      ropeBase: tinyShape.ropeBase,
      parameters: step.parameters(),
      tokenizer: tokenizer.metadata,
      type: "F16",
    } as const;
    return { outcome, file: [...trainedGguf(model)] };
  } finally {
    await step.close();
  }
}
