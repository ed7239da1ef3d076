/** What models ask for, where loops and choices are JavaScript's: iterations are run, or unrolled into what is traced. */
import { assert } from "../core/errors.ts";
import type { Control, Count } from "./capture.ts";
import { tensor } from "./creation.ts";
import { where } from "./elements.ts";
import { crossEntropy } from "./losses.ts";
import { conv2d, maxPool2d } from "./products.ts";
import type { Tensor } from "./tensor.ts";

export const functions = { conv2d, maxPool2d, crossEntropy };

/** The number of an iteration as bodies take it. */
export const indexTensor = (i: number): Tensor => tensor([i], { dtype: "i32" });

export function numberOf(count: Count): number {
  assert(typeof count === "number", () => "a count that is a tensor, where loops are JavaScript's");
  return count;
}

function loop(count: Count, state: readonly Tensor[], body: Parameters<Control["loop"]>[2]): readonly Tensor[] {
  let now = state;
  for (let i = 0; i < numberOf(count); i++) now = body(indexTensor(i), now);
  return now;
}

/** Reads the condition, and runs what is chosen alone. */
export const running: Control = {
  ...functions,
  loop,
  choose: (condition, yes, no) => (condition.item() !== 0 ? yes() : no()),
};

/** Where values are not known yet: both are computed, and one is taken. */
export const tracing: Control = {
  ...functions,
  loop,
  choose(condition, yes, no) {
    const [first, second] = [yes(), no()];
    return first.map((x, i) => where(condition.broadcastTo(...x.shape).ne(0), x, second[i]!));
  },
};
