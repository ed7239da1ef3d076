/** Normalisation and dropout, with the gradients that take the fewest passes. */
import type { ArrayValue } from "../graph/array-builder.ts";
import type { ArrayMath } from "../graph/array-math.ts";
import { compute, computeOne, type Recipe } from "./compute.ts";
import { draw } from "./creation.ts";
import { nextDraw } from "./random-key.ts";
import { meanOver } from "./reduce.ts";
import { reshape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

/** (x − mean) / √(variance + epsilon) over some axes, and the two, with those axes kept. */
interface Normalised {
  readonly y: Tensor;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

export function normalize(x: Tensor, axes: readonly number[], epsilon: number): Normalised {
  const at = axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis));
  const parts = (m: ArrayMath, v: ArrayValue) => {
    const wide = (s: ArrayValue): ArrayValue => m.expand(s, v.type.shape);
    const mean = meanOver(m, v, at);
    const centred = m.sub(v, wide(mean));
    const variance = meanOver(m, m.unary("square", centred), at);
    const scale = m.unary("rsqrt", m.add(variance, epsilon));
    return { mean, variance, scale, y: m.mul(centred, wide(scale)), wide };
  };
  const recipe: Recipe = {
    name: "normalize",
    key: `normalize [${at}] ${epsilon}`,
    build: (m, [v]) => {
      const { y, mean, variance } = parts(m, m.cast(v!, "f32"));
      return [y, mean, variance];
    },
    // The mean and variance are for running estimates, which gradients do not flow through.
    vjp: (m, [v], _, [dy]) => {
      const { scale, y, wide } = parts(m, m.cast(v!, "f32"));
      const along = m.mul(y, wide(meanOver(m, m.mul(dy!, y), at)));
      return [m.mul(wide(scale), m.sub(m.sub(dy!, wide(meanOver(m, dy!, at))), along))];
    },
  };
  const [y, mean, variance] = compute(recipe, [x]);
  return { y: y!, mean: mean!, variance: variance! };
}

function scaledAndShifted(y: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  const scaled = weight === undefined ? y : y.mul(weight);
  return bias === undefined ? scaled : scaled.add(bias);
}

/** Over the last axes, as many as `weight` has. */
export function layerNorm(x: Tensor, weight: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor {
  if (`${x.shape.slice(-weight.shape.length)}` !== `${weight.shape}`)
    refuse(`layerNorm over ${x.signature}`, `the last axes must be [${weight.shape}].`);
  const axes = weight.shape.map((_, i) => x.shape.length - weight.shape.length + i);
  return scaledAndShifted(normalize(x, axes, epsilon).y, weight, bias);
}

/** x / √(mean x² + epsilon) · weight, over the last axis. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon = 1e-6): Tensor {
  if (x.shape.at(-1) !== weight.shape[0])
    refuse(`rmsNorm over ${x.signature}`, `the last axis must be ${weight.shape[0]}.`);
  const at = [x.shape.length - 1];
  const parts = (m: ArrayMath, v: ArrayValue) => {
    const scale = m.unary("rsqrt", m.add(meanOver(m, m.unary("square", v), at), epsilon));
    const wide = m.expand(scale, v.type.shape);
    return { y: m.mul(v, wide), wide };
  };
  const recipe: Recipe = {
    name: "rmsNorm",
    key: `rmsNorm ${epsilon}`,
    build: (m, [v]) => [parts(m, m.cast(v!, "f32")).y],
    vjp: (m, [v], _, [dy]) => {
      const { y, wide } = parts(m, m.cast(v!, "f32"));
      const along = m.expand(meanOver(m, m.mul(dy!, y), at), y.type.shape);
      return [m.mul(wide, m.sub(dy!, m.mul(y, along)))];
    },
  };
  return computeOne(recipe, x).mul(weight);
}

/** (x [N, …, C]) normalised within each of `groups` runs of channels of each example. */
export function groupNorm(x: Tensor, groups: number, weight?: Tensor, bias?: Tensor, epsilon = 1e-5): Tensor {
  const channels = x.shape.at(-1)!;
  if (channels % groups !== 0)
    refuse(`groupNorm over ${x.signature}`, `${channels} channels are not ${groups} groups.`);
  const split = reshape(x, [x.shape[0]!, -1, groups, channels / groups]);
  return scaledAndShifted(reshape(normalize(split, [1, 3], epsilon).y, x.shape), weight, bias);
}

/** Each element is 0 with probability `p`, else divided by 1 − p. */
export function dropout(x: Tensor, p: number): Tensor {
  if (!(p >= 0 && p < 1)) refuse(`dropout over ${x.signature}`, `a probability of ${p} is not in [0, 1).`);
  if (p === 0) return x;
  const { key, stream } = nextDraw(`dropout over ${x.signature}`);
  const kept = draw("uniform", key, x.shape, stream).ge(p);
  return x.mul(kept.mul(1 / (1 - p)));
}
