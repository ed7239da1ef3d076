/**
 * Source to source: the function's syntax tree is read, and a new function is written that computes the loss and then its
 * gradients, statement by statement, with the model's own loops and branches run backwards. Nothing is recorded while it runs but
 * values that are about to be overwritten.
 */

import { pullback } from "../adjoint/pullback.ts";
import { reverseSource } from "../adjoint/reverse.ts";
import { stepsOf } from "../adjoint/steps.ts";
import { type Captured, capture, type Gradients, type Model, type Named } from "../capture.ts";
import { indexTensor, running } from "../capture-control.ts";
import { ones } from "../creation.ts";
import { noGrad } from "../scope.ts";
import type { Tensor } from "../tensor.ts";

type Written = (control: unknown, parameters: Named, batch: unknown, tools: unknown) => Gradients;

/** `x` summed to the shape of `of`, over which it was repeated; a number needs no gradient. */
function like(x: Tensor, of: Tensor): Tensor {
  const { shape } = of;
  const more = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < more || (shape[i - more] === 1 && d !== 1) ? [i] : []));
  return axes.length === 0 ? x : x.sum(axes, { keepDims: true }).reshape(...shape);
}

const plus = (a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined =>
  a === undefined || b === undefined ? (a ?? b) : a.add(b);

/** The readable source of the function that computes loss and gradients. */
export function gradientSource(model: Model): { readonly text: string; readonly names: readonly string[] } {
  const parsed = stepsOf(model.toString());
  return { text: reverseSource(parsed).source, names: parsed.names };
}

function captured(model: Model): Captured {
  const { text, names } = gradientSource(model);
  const written = new Function(...names, "tools", `"use strict";\n${text}`) as Written;
  let records = 0;
  const tools = {
    like,
    plus,
    pullback,
    indexTensor,
    one: (x: Tensor) => ones(x.shape),
  };
  return {
    get records() {
      return records;
    },
    run(parameters, batch) {
      records = 0;
      const stack: unknown[] = [];
      const push = (value: unknown): void => {
        records++;
        stack.push(value);
      };
      const tape = { push, pop: () => stack.pop() };
      const { loss, gradients } = noGrad(() => written(running, parameters, batch, { ...tools, tape }));
      const zeros = (name: string): Tensor => parameters[name]!.mul(0);
      return { loss, gradients: Object.fromEntries(Object.keys(parameters).map((n) => [n, gradients[n] ?? zeros(n)])) };
    },
  };
}

export default capture({
  title: "Tangent",
  paper: {
    title:
      "Tangent: Automatic differentiation using source-code transformation for dynamically typed array programming",
    venue: "NeurIPS 2018",
    url: "https://arxiv.org/abs/1809.09569",
  },
  rows: ["tangent"],
  idea: "Parse the function, write each statement with one operation, and emit a function that runs these and then the adjoint of each in the opposite order, from a template for its operation, with what was overwritten taken from a stack.",
  differs: [
    "The source that is read is what the TypeScript compiler made of the function: types are gone.",
    "Loops are counted ones, and those of `control.loop`; there is no `insert_grad_of`.",
    "Operations without a template take their adjoint from the table of the graph.",
  ],
  options: {},
  claim: { metric: "bookkeeping", better: "lower", than: "pytorch", on: "mlp", factor: 4, where: "machine" },
  create: () => ({ quorum: (workers) => workers, capture: captured }),
});
