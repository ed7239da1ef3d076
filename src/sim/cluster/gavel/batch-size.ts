/**
 * How batch sizes grow while jobs train, as Shockwave's simulator has it (NSDI 2023, §8.1): `accordion` trains with the largest batch
 * outside of critical phases, and `gns` doubles it as the noise of the gradients grows. When that happens was measured once for each
 * model, batch size and number of GPUs, and is told here as data.
 */

/** Examples of the data set that a model of the tables trains on. */
const examples: Readonly<Record<string, number>> = {
  "ResNet-18": 50_000,
  "ResNet-50": 100_000,
  Transformer: 10_000,
  LM: 59_675,
  Recommendation: 117_907,
  CycleGAN: 6_287,
  A3C: 4,
};

const smallest: Readonly<Record<string, number>> = {
  "ResNet-18": 16,
  "ResNet-50": 16,
  Transformer: 16,
  LM: 5,
  Recommendation: 512,
};
const largest: Readonly<Record<string, number>> = {
  "ResNet-18": 256,
  "ResNet-50": 128,
  Transformer: 128,
  LM: 80,
  Recommendation: 8192,
};

/** First epochs of batches 2, 4, 8 and 16 times as large, by GPUs and then by the batch size that the job begins with. */
const growth: Readonly<Record<string, Readonly<Record<number, Readonly<Record<number, readonly number[]>>>>>> = {
  "ResNet-18": {
    1: { 16: [31, 41, 51, 71], 32: [21, 31, 51], 64: [11, 31], 128: [11] },
    2: { 16: [21, 31, 91, 111], 32: [11, 21, 41], 64: [21, 41], 128: [41] },
    4: { 16: [11, 21, 81, 91], 32: [21, 31, 61], 64: [11, 61], 128: [11] },
  },
  "ResNet-50": {
    1: { 64: [101] },
    2: { 32: [101, 111], 64: [81] },
    4: { 32: [131, 221], 64: [191] },
  },
  LM: {
    1: { 5: [31, 41, 61, 71], 10: [11, 21, 41], 20: [11, 41], 40: [11] },
    2: { 5: [31, 51, 61, 71], 10: [11, 31, 41], 20: [31, 41], 40: [11] },
    4: { 5: [11, 31, 71, 91], 10: [11, 31, 61], 20: [11, 61], 40: [61] },
  },
  Recommendation: {
    1: { 512: [21, 41, 71, 91], 1024: [21, 51, 91], 2048: [21, 41], 4096: [41] },
  },
};

export type Mode = "static" | "accordion" | "gns";

/** A line of the table of throughputs in its parts: "ResNet-18 (batch size 16)". */
export interface JobType {
  readonly model: string;
  readonly batch: number;
}

export const modeOf = (name: string | undefined): Mode => (name === "accordion" || name === "gns" ? name : "static");

export function jobTypeOf(text: string): JobType {
  const batch = /\(batch size (\d+)\)$/.exec(text)?.[1];
  return { model: text.split(" ")[0] ?? text, batch: Number(batch ?? 1) };
}

const unsized = ["A3C", "CycleGAN"];

/** Two of the models have no batch size in the tables. */
export const nameOf = ({ model, batch }: JobType): string =>
  unsized.includes(model) ? model : `${model} (batch size ${batch})`;

export const stepsPerEpoch = ({ model, batch }: JobType): number => Math.ceil((examples[model] ?? batch) / batch);

export const examplesOf = (model: string): number => examples[model] ?? 1;

export const largestBatch = (model: string): number | undefined => largest[model];
export const isSmallest = ({ model, batch }: JobType): boolean => smallest[model] === batch;
export const isLargest = ({ model, batch }: JobType): boolean => largest[model] === batch;

/** Batch size that the noise of the gradients allows in that epoch of a job that began with `type`, if it trains for ever. */
export function gnsBatch({ model, batch }: JobType, gpus: number, epoch: number): number {
  const starts = growth[model]?.[gpus]?.[batch] ?? [];
  const doublings = starts.filter((start) => epoch >= start).length;
  return Math.min(batch * 2 ** doublings, largest[model] ?? batch);
}

/** Whether a job that began with `type` is in a phase in which only small batches are safe, by the epochs it has trained. */
export function isCritical({ model, batch }: JobType, epoch: number): boolean {
  switch (model) {
    case "LM":
      return epoch < 10;
    case "Recommendation":
      return epoch < (batch <= 1024 ? 30 : batch === 2048 ? 40 : 10);
    case "ResNet-50":
      return epoch % 30 < 10;
    case "ResNet-18":
      return epoch < (batch === 256 ? 20 : 10) || (epoch >= 150 && epoch < 160) || (epoch >= 250 && epoch < 260);
    default:
      return true;
  }
}

/** Batch sizes by epoch as the profile of a job foresees them, which is what it is planned with. */
export function profiledBatches(type: JobType, mode: Mode, gpus: number, epochs: number): number[] {
  if (mode === "static") return new Array<number>(epochs).fill(type.batch);
  return Array.from({ length: epochs }, (_, epoch) =>
    mode === "gns" ? profiledGns(type, gpus, epoch, epochs) : profiledAccordion(type, epoch, epochs),
  );
}

/** The last epoch is left at the first batch size, unless it is in the first phase of growth; so it is in the published profiles. */
function profiledGns(type: JobType, gpus: number, epoch: number, epochs: number): number {
  const [first = Number.POSITIVE_INFINITY, second = Number.POSITIVE_INFINITY] =
    growth[type.model]?.[gpus]?.[type.batch] ?? [];
  if (epochs <= first || (epoch === epochs - 1 && epoch >= second)) return type.batch;
  return gnsBatch(type, gpus, epoch);
}

/** Small for three tenths of all epochs at least; and in two more phases of Recommendation than the running job knows. */
function profiledAccordion(type: JobType, epoch: number, epochs: number): number {
  const { model, batch } = type;
  const more = model === "Recommendation" && ((epoch >= 60 && epoch < 70) || (epoch >= 80 && epoch < 90));
  const critical = isCritical(type, epoch) || more;
  return critical || epoch <= epochs * 0.3 ? batch : (largest[model] ?? batch);
}
