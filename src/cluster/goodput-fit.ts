/**
 * Fits the parameters of a job's throughput to the step times that it saw (Pollux, §4.1): least root-mean-square error of their
 * logarithms, with small penalties on overlap and on growth of synchronisation, which stay optimistic where nothing was seen.
 *
 * The root has a crease where a fit is nearly exact, at which a quasi-Newton method stops short of the least value: decisions depend
 * on where, so the method is the published one, L-BFGS-B, with SciPy's tolerances.
 */
import { type BoundedProblem, minimiseBounded } from "../core/minimise.ts";
import { syncSeconds, type ThroughputParameters } from "./goodput.ts";

/** Seconds of one step, and of its computation alone. */
export interface Observation {
  readonly nodes: number;
  readonly gpus: number;
  readonly localBatch: number;
  readonly step: number;
  readonly compute: number;
}

const least = 1e-8;
/** Order of the vector: compute fixed, per example; between nodes fixed, per GPU; within a node fixed, per GPU; overlap. */
const start: readonly number[] = [1e-1, 1e-2, 1e-1, 1e-2, 1e-1, 1e-2, 1 + 1e-3];

/** An observation with the logarithms of its seconds, which every step of the fit needs. */
interface Logged extends Observation {
  readonly logStep: number;
  readonly logCompute: number;
}

export function fitThroughput(seen: readonly Observation[]): ThroughputParameters {
  const from = [...start];
  const low = [least, least, least, least, least, least, 1];
  const high = [Infinity, Infinity, Infinity, Infinity, Infinity, Infinity, 10];
  const fix = (index: number, value: number): void => {
    from[index] = low[index] = high[index] = value;
  };
  // One batch size tells nothing of the fixed part: half of it, so that larger batches look worth trying.
  if (new Set(seen.map(({ localBatch }) => localBatch)).size === 1) {
    fix(0, seen.reduce((sum, { compute }) => sum + compute, 0) / seen.length / 2);
  }
  const manyNodes = seen.some(({ nodes }) => nodes > 1);
  const oneNode = seen.some(({ nodes, gpus }) => nodes === 1 && gpus > 1);
  const wide = seen.some(({ gpus }) => gpus > 2);
  if (!manyNodes) fix(2, least);
  if (!manyNodes || !wide) fix(3, least);
  if (!oneNode) fix(4, least);
  if (!oneNode || !wide) fix(5, least);
  const logged = seen.map((o) => ({ ...o, logStep: Math.log(o.step), logCompute: Math.log(o.compute) }));
  const problem: BoundedProblem = { from, low, high, valueAt: (x, gradient) => misfit(logged, x, gradient) };
  const x = minimiseBounded(problem);
  // Synchronising between nodes is believed to be slower than within one.
  if (!manyNodes) {
    x[2] = Math.max(x[2]!, x[4]! * 1.1);
    x[3] = Math.max(x[3]!, x[5]! * 1.1);
  }
  return parametersOf(x);
}

const parametersOf = (x: ArrayLike<number>): ThroughputParameters => ({
  computeFixed: x[0]!,
  computePerExample: x[1]!,
  nodesFixed: x[2]!,
  nodesPerGpu: x[3]!,
  nodeFixed: x[4]!,
  nodePerGpu: x[5]!,
  overlap: x[6]!,
});

/** The objective at `x`; its gradient is written into `gradient`. */
function misfit(seen: readonly Logged[], x: ArrayLike<number>, gradient: Float64Array): number {
  const p = parametersOf(x);
  const g = p.overlap;
  const computeError = new Float64Array(7);
  const stepError = new Float64Array(7);
  let computeSquares = 0;
  let stepSquares = 0;
  for (const { nodes, gpus, localBatch, logStep, logCompute } of seen) {
    const c = p.computeFixed + p.computePerExample * localBatch;
    const s = syncSeconds(p, nodes, gpus);
    const logC = Math.log(c);
    const off = logC - logCompute;
    computeSquares += off * off;
    computeError[0]! += off / c;
    computeError[1]! += (off / c) * localBatch;
    const cg = c ** g;
    const sg = s ** g;
    const sum = cg + sg;
    const logSum = Math.log(sum);
    const miss = logSum / g - logStep;
    stepSquares += miss * miss;
    const byCompute = (miss * cg) / c / sum;
    stepError[0]! += byCompute;
    stepError[1]! += byCompute * localBatch;
    if (gpus > 1) {
      const bySync = (miss * sg) / s / sum;
      const at = nodes > 1 ? 2 : 4;
      stepError[at]! += bySync;
      stepError[at + 1]! += bySync * Math.max(gpus - 2, least);
    }
    stepError[6]! += miss * ((cg * logC + sg * Math.log(s)) / sum / g - logSum / (g * g));
  }
  const computeRoot = Math.sqrt(computeSquares / seen.length);
  const stepRoot = Math.sqrt(stepSquares / seen.length);
  // A root has no slope where the fit is exact.
  const computePull = computeRoot > 0 ? 1 / (seen.length * computeRoot) : 0;
  const stepPull = stepRoot > 0 ? 1 / (seen.length * stepRoot) : 0;
  for (let i = 0; i < 7; i++) gradient[i] = computeError[i]! * computePull + stepError[i]! * stepPull;
  const between = p.nodesPerGpu / p.nodesFixed;
  const within = p.nodePerGpu / p.nodeFixed;
  gradient[2]! -= (2e-2 * between * between) / p.nodesFixed;
  gradient[3]! += (2e-2 * between) / p.nodesFixed;
  gradient[4]! -= (2e-2 * within * within) / p.nodeFixed;
  gradient[5]! += (2e-2 * within) / p.nodeFixed;
  gradient[6]! += 2e-3 * (g - 1);
  return computeRoot + stepRoot + 1e-3 * (g - 1) ** 2 + 1e-2 * (between ** 2 + within ** 2);
}
