/** How parameters begin: PyTorch's defaults. Draws follow from `manualSeed`, in the order in which layers are made. */
import { draw, full } from "../creation.ts";
import { nextDraw } from "../random-key.ts";
import { noGrad } from "../scope.ts";
import type { Tensor } from "../tensor.ts";
import { buffer, parameter } from "./module.ts";

/** Uniform in [-bound, bound). */
export function uniform(shape: readonly number[], bound: number): Tensor {
  const { key, stream } = nextDraw("initialisation");
  return noGrad(() =>
    parameter(
      draw("uniform", key, shape, stream)
        .mul(2 * bound)
        .sub(bound),
    ),
  );
}

export function normal(shape: readonly number[], deviation = 1): Tensor {
  const { key, stream } = nextDraw("initialisation");
  return noGrad(() => parameter(draw("normal", key, shape, stream).mul(deviation)));
}

export const constant = (shape: readonly number[], value: number): Tensor => parameter(full(shape, value));
export const constantBuffer = (shape: readonly number[], value: number): Tensor => buffer(full(shape, value));
