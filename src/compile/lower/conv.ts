/**
 * Convolutions of channels-last images and their two gradients, direct: no matrix of windows is ever written to memory.
 *
 *     w ──► packed in the order of reading ─┐
 *     x (or dy) ──► bands in scratch ───────┴──► correlation ──► y (or dx)
 *     x, dy ──► sums of slices of the pixels ──► dw
 *
 * A result is one chain over taps and channels in order (of a weight's gradient: over pixels, slices of them added in order),
 * the same whatever the threads and the level.
 */
import type { ArrayOp, ArrayType } from "../../graph/array.ts";
import type { Target } from "../tile.ts";
import { lowerCorrelation } from "./conv/correlate.ts";
import { backward, type Correlation, forward } from "./conv/geometry.ts";
import { isPacked, lowerPackTaps } from "./conv/pack.ts";
import { lowerConvWeight } from "./conv/weight.ts";
import type { Lowered } from "./lowered.ts";

export type ConvOp = Extract<ArrayOp, { readonly kind: "conv2d" | "conv2dInput" | "conv2dWeight" }>;

/** `inputs` and `output` are the operation's; see `array.ts`. */
export function lowerConv2d(
  target: Target,
  op: ConvOp,
  [a, second]: readonly [ArrayType, ArrayType],
  output: ArrayType,
): Lowered {
  if (op.kind === "conv2dWeight") return lowerConvWeight(target, [a, second], output, op);
  if (op.kind === "conv2d") return lowerAsCorrelation(target, forward(a, second, output, op));
  return lowerAsCorrelation(target, backward(a, second, output, op));
}

function lowerAsCorrelation(target: Target, c: Correlation): Lowered {
  const { program, items, packing, packedBytes, scratchBytes } = lowerCorrelation(target, c);
  if (isPacked(packing, c)) return { calls: [{ program, items, args: [0, 1, 2] }], temporaries: [], scratchBytes };
  const pack = lowerPackTaps(target, c, packing);
  return {
    calls: [
      { ...pack, args: [1, 3] },
      { program, items, args: [0, 3, 2] },
    ],
    temporaries: [packedBytes],
    scratchBytes,
  };
}
