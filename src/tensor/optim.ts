/** Optimizers, schedules, clipping, and the compiled training step: `import { optim } from "heddle"`. */
export { clipByNorm, clipByValue, globalNorm } from "./optim/clip.ts";
export { Adam, AdamW, clipGradNorm, clipGradValue, Lion, Optimizer, SGD } from "./optim/optimizer.ts";
export {
  type AdamOptions,
  adam,
  adamW,
  type LionOptions,
  lion,
  type Rate,
  type Rule,
  type SgdOptions,
  sgd,
} from "./optim/rule.ts";
export * as schedule from "./optim/schedule.ts";
export { type StepState, TrainStep, type TrainStepOptions } from "./optim/train-step.ts";
