/** Gradients held within bounds: of their common norm, or each element. Trees in, trees out. */
import type { Tensor } from "../tensor.ts";

type Tensors = Readonly<Record<string, Tensor>>;

/** The norm of all elements together. */
export function globalNorm(tensors: Tensors): Tensor {
  const squares = Object.values(tensors).map((t) => t.square().sum());
  return squares.reduce((a, b) => a.add(b)).sqrt();
}

const mapped = (tensors: Tensors, f: (t: Tensor) => Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, f(t)]));

/** Scaled down to a norm of `most` where it is more; as PyTorch, by most / (norm + 1e-6). */
export function clipByNorm(
  gradients: Tensors,
  most: number,
): { readonly gradients: Record<string, Tensor>; readonly norm: Tensor } {
  const norm = globalNorm(gradients);
  const scale = norm.add(1e-6).reciprocal().mul(most).minimum(1);
  return { gradients: mapped(gradients, (g) => g.mul(scale)), norm };
}

export const clipByValue = (gradients: Tensors, most: number): Record<string, Tensor> =>
  mapped(gradients, (g) => g.clamp(-most, most));
