/** `backward` and `assign`: what PyTorch's users expect of a tensor that needs gradients. */
import { computeApart, type Recipe } from "./compute.ts";
import { context } from "./context.ts";
import { full, ones } from "./creation.ts";
import { type Operand, operand } from "./elements.ts";
import { keep } from "./scope.ts";
import { broadcastTo } from "./shape.ts";
import { gradientsOf, leavesOf } from "./tape.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

export function backward(from: Tensor, seed: Tensor | undefined, retainGraph: boolean): void {
  if (seed === undefined && from.size !== 1)
    refuse(
      `backward over ${from.signature}`,
      "it is not one number.",
      "Take a sum or a mean, or pass the gradient of each element.",
    );
  if (!from.requiresGrad)
    refuse(
      `backward over ${from.signature}`,
      "nothing that it was computed from needs gradients.",
      "See requireGrad().",
    );
  const leaves = leavesOf(from);
  if (context.trace !== undefined && leaves.some((leaf) => !leaf.isTraced))
    refuse(
      "backward",
      "a tensor from outside of the traced function would get a gradient that is known only within.",
      "Use grad() of a function of the parameters.",
    );
  const start = seed ?? ones(from.shape);
  const gradients = gradientsOf(from, start, leaves, { createGraph: false, retainGraph });
  for (const [i, leaf] of leaves.entries()) accumulate(leaf, gradients[i] ?? full(leaf.shape, 0));
}

const addition: Recipe = { name: "gradient sum", key: "gradient-sum", build: (m, [a, b]) => [m.add(a!, b!)] };

function accumulate(leaf: Tensor, g: Tensor): void {
  if (leaf.grad === undefined || leaf.grad.isDisposed) {
    leaf.grad = keep(g);
    return;
  }
  const [sum] = computeApart(addition, [leaf.grad, g]);
  leaf.grad.become(sum!);
}

/** Writes `value` over the elements of `target`, in place. */
export function assign(target: Tensor, value: Operand): void {
  const from = operand(value, target.dtype).to(target.dtype);
  const whole = broadcastTo(from.detach(), target.shape);
  if (context.trace !== undefined) {
    if (!target.isTraced)
      refuse(
        `assign over ${target.signature}`,
        "a tensor from outside of the traced function cannot be written by it.",
        "Return the new value.",
      );
    target.become(whole);
    return;
  }
  // The value may be the target's own elements, which a shared storage tells.
  const storage = target.storage("assign");
  const source = whole.storage("assign");
  storage.version += 1;
  if (source !== storage) target.view().set(whole.view());
}
