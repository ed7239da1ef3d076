/** The gradients of one operation, for which there is no template: it is run on a tape of its own, and walked back. */
import { enableGrad } from "../scope.ts";
import { gradientsOf } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Of Σ f(inputs) · dy with respect to the inputs. */
export function pullback(
  f: (...inputs: readonly Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  dy: Tensor,
): readonly (Tensor | undefined)[] {
  const own = inputs.map((x) => x.detach().requireGrad());
  const y = enableGrad(() => f(...own));
  return gradientsOf(y, dy, own, { createGraph: false, retainGraph: false });
}
