/**
 * Goodput: examples a second times how much each is worth (Pollux, §3), and the batch size at which it is highest.
 *
 *     throughput(nodes, GPUs, batch) × efficiency(batch) ──► best over 50 batch sizes ──► (goodput, local batch, accumulation)
 *
 * Throughput's parameters are fitted to what the job saw (`goodput-fit.ts`); efficiency comes from its gradient's noise.
 */

/** Seconds: computing takes αc + βc·batch, synchronising αn + βn·(GPUs − 2) between nodes and αr, βr within one. */
export interface ThroughputParameters {
  readonly computeFixed: number;
  readonly computePerExample: number;
  readonly nodesFixed: number;
  readonly nodesPerGpu: number;
  readonly nodeFixed: number;
  readonly nodePerGpu: number;
  /** 1: computing and synchronising take turns; 10: they overlap wholly. */
  readonly overlap: number;
}

export interface GradientNoise {
  /** Squared norm of the gradient. */
  readonly square: number;
  /** Its variance over examples, at the job's first batch size. */
  readonly variance: number;
}

/** Examples a step over all GPUs, and examples that one GPU takes in one pass. */
export interface BatchLimits {
  readonly batchFirst: number;
  readonly batchMax: number;
  readonly localBatchMin: number;
  readonly localBatchMax: number;
}

interface Split {
  readonly localBatch: number;
  /** Passes a step before the one that synchronises. */
  readonly accumulation: number;
}

export interface BatchPlan extends Split {
  /** Useful examples a second. */
  readonly goodput: number;
}

/** Floors and ceilings of quotients tolerate rounding by this much. */
const slack = 1e-8;
const samples = 50;

export const computeSeconds = (p: ThroughputParameters, localBatch: number): number =>
  p.computeFixed + p.computePerExample * localBatch;

export function syncSeconds(p: ThroughputParameters, nodes: number, gpus: number): number {
  const further = Math.max(gpus - 2, slack);
  if (nodes > 1) return p.nodesFixed + p.nodesPerGpu * further;
  return gpus > 1 ? p.nodeFixed + p.nodePerGpu * further : slack + slack * further;
}

/** How much of an example's progress is left at `scale` times the first batch size, from 1 down. */
export function efficiency({ square, variance }: GradientNoise, scale: number): number {
  const noise = variance / scale + square;
  return (noise > 0 ? (variance + square) / noise : 1) / scale;
}

/** The batch size of highest goodput on so many GPUs. */
export function bestBatch(
  p: ThroughputParameters,
  noise: GradientNoise,
  limits: BatchLimits,
  nodes: number,
  gpus: number,
): BatchPlan {
  const sync = syncSeconds(p, nodes, gpus);
  const least = Math.max(limits.batchFirst, limits.localBatchMin * gpus);
  const ratio = Math.log(limits.batchMax / least);
  const synced = sync ** p.overlap;
  let best: BatchPlan = { goodput: 0, ...split(least / gpus, gpus, limits) };
  let before: Split | undefined;
  for (let i = 0; i < samples; i++) {
    const batch = i === samples - 1 ? limits.batchMax : least * Math.exp((ratio * i) / (samples - 1));
    const now = split(batch / gpus, gpus, limits);
    const { localBatch, accumulation } = now;
    // Small batches are the same whole numbers several times over.
    if (localBatch === before?.localBatch && accumulation === before.accumulation) continue;
    before = now;
    if (localBatch < limits.localBatchMin || localBatch > limits.localBatchMax) continue;
    const whole = gpus * localBatch * (accumulation + 1);
    const compute = computeSeconds(p, localBatch);
    const step = (compute ** p.overlap + synced) ** (1 / p.overlap) + accumulation * compute;
    const goodput = (whole / step) * efficiency(noise, whole / limits.batchFirst);
    if (goodput > best.goodput) best = { goodput, localBatch, accumulation };
  }
  return best;
}

/**
 * Passes that a GPU needs for its part of a batch. One GPU alone accumulates at least once beyond the first batch size: a
 * gradient's noise cannot be told from a single pass.
 */
function split(local: number, gpus: number, limits: BatchLimits): Split {
  let accumulation = Math.ceil(local / limits.localBatchMax - slack) - 1;
  if (gpus === 1 && local > limits.batchFirst + slack) accumulation = Math.max(1, accumulation);
  return { accumulation, localBatch: Math.ceil(local / (accumulation + 1) - slack) };
}

/** The same for a batch size that is given: never more examples than `batchMax`. */
export function splitBatch(batch: number, gpus: number, limits: BatchLimits): Split {
  const local = Math.ceil(batch / gpus - slack);
  let accumulation = Math.ceil(local / limits.localBatchMax - slack) - 1;
  if (gpus === 1 && batch > limits.batchFirst) accumulation = Math.max(1, accumulation);
  const localBatch = Math.ceil(local / (accumulation + 1) - slack);
  return { accumulation, localBatch: Math.min(localBatch, Math.floor(limits.batchMax / (gpus * (accumulation + 1)))) };
}
