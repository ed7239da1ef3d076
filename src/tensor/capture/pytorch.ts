/**
 * Define by run: the function is simply called. Each operation runs at once and is put on a tape; the gradient walks the tape
 * back. Loops and choices are the language's own, and decide by the values that they see.
 */
import { capture } from "../capture.ts";
import { running } from "../capture-control.ts";
import type { TapeNode } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { valueAndGrad } from "../transform.ts";

/** What was recorded on the way to `loss`. */
function tapeOf(loss: Tensor): ReadonlySet<TapeNode> {
  const nodes = new Set<TapeNode>();
  const waiting = [loss];
  for (let t = waiting.pop(); t !== undefined; t = waiting.pop()) {
    const node = t.origin?.node;
    if (node === undefined || nodes.has(node)) continue;
    nodes.add(node);
    waiting.push(...node.inputs);
  }
  return nodes;
}

export default capture({
  title: "PyTorch",
  paper: {
    title: "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    venue: "NeurIPS 2019",
    url: "https://arxiv.org/abs/1912.01703",
  },
  rows: ["pytorch"],
  idea: "Run the model as an ordinary program, record each operation on a tape as it is computed, and differentiate by walking the tape backwards; memory comes from a caching allocator and is freed by count of references, and writing over what a gradient needs is found by version counters.",
  differs: [
    "Operations run before the call returns: there is no queue of work between the program and the device.",
    "JavaScript does not count references: tensors are freed by `tidy`, `dispose` or, late, by the garbage collector.",
  ],
  options: {},
  claim: { metric: "compiledNodes", better: "lower", than: "jax", on: "lengths", factor: 5, where: "machine" },

  create: () => ({
    quorum: (workers) => workers,
    capture(model) {
      let records = 0;
      return {
        get records() {
          return records;
        },
        run(parameters, batch) {
          const [[loss], gradients] = valueAndGrad((p: typeof parameters) => {
            const value = model(running, p, batch);
            records = tapeOf(value).size;
            return [value, undefined] as const;
          })(parameters);
          return { loss, gradients };
        },
      };
    },
  }),
});
