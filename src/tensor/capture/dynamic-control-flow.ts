/**
 * Control flow in the graph: loops and choices are nodes, lowered to five primitives that an executor with tagged values runs; so
 * one graph serves every number of iterations, and its gradient is a graph of the same kind, which keeps loop states on stacks.
 */
import { assert } from "../../core/errors.ts";
import type { ArrayType } from "../../graph/array.ts";
import { type Captured, capture, type Model } from "../capture.ts";
import { bytesOf, computeApart, nodeRecipe, trace } from "../compute.ts";
import { tensor } from "../creation.ts";
import { pull } from "../flow/differentiate.ts";
import { execute, type OperationPort, type RunOptions } from "../flow/executor.ts";
import { Scope } from "../flow/flow.ts";
import { type Dataflow, dataflow } from "../flow/primitives.ts";
import { Regions } from "../flow/trace.ts";
import type { Tensor } from "../tensor.ts";

/** Operations as they are ready, each by itself. */
function eager(made: Set<Tensor>): OperationPort<Tensor> {
  return {
    start(operation, inputs, done) {
      const result = computeApart(nodeRecipe("flow", operation), inputs)[0]!;
      made.add(result);
      done(result);
    },
    number: (x) => x.item(),
    bytes: bytesOf,
  };
}

const typeOf = ({ dtype, shape }: Tensor): ArrayType => ({ dtype, shape });

/** A program over the inputs, then over tensors that the model made of numbers of its own. */
interface Program {
  readonly program: Dataflow;
  readonly constants: readonly Tensor[];
}

/** From all inputs to the loss, and its gradients with respect to the first `parameters` of them. */
function programOf(model: Model, names: readonly (readonly string[])[], inputs: readonly Tensor[]): Program {
  const regions = new Regions();
  const [parameters, arrays, counts] = names.map(({ length }) => length) as [number, number, number];
  const { graph, captured } = trace(inputs, (values) => {
    const named = (list: readonly string[], from: number): Record<string, Tensor> =>
      Object.fromEntries(list.map((name, i) => [name, values[from + i]!]));
    const batch = { arrays: named(names[1]!, parameters), counts: named(names[2]!, parameters + arrays) };
    return [model(regions.control, named(names[0]!, 0), batch)];
  });
  assert(inputs.length === parameters + arrays + counts, () => "inputs without names");
  const all = [...inputs, ...captured];
  const forward = new Scope();
  const given = all.map((t) => forward.input(typeOf(t)));
  const flow = forward.finish(regions.write(forward, graph, given));
  const scope = new Scope();
  const own = all.map((t) => scope.input(typeOf(t)));
  const { results, back } = pull(scope, flow, own);
  const loss = results[0]!;
  const gradients = back(scope, [scope.constant(1, { dtype: "f32", shape: (loss.type as ArrayType).shape })]);
  const wanted = own.slice(0, parameters).map((p, i) => gradients[i] ?? scope.constant(0, p.type as ArrayType));
  return { program: dataflow(scope.finish([loss, ...wanted])), constants: captured };
}

function captured(model: Model, options: RunOptions): Captured {
  const programs = new Map<string, Program>();
  return {
    records: 0,
    async run(parameters, { arrays, counts }) {
      const numbers = Object.fromEntries(Object.entries(counts).map(([n, x]) => [n, tensor([x], { dtype: "i32" })]));
      const names = [parameters, arrays, numbers].map((part) => Object.keys(part));
      const inputs = [parameters, arrays, numbers].flatMap((part) => Object.values(part));
      const key = `${names.join(";")} ${inputs.map(({ signature }) => signature)}`;
      let known = programs.get(key);
      if (known === undefined) {
        known = programOf(model, names, inputs);
        programs.set(key, known);
      }
      const made = new Set<Tensor>();
      const { results } = await execute(known.program, [...inputs, ...known.constants], eager(made), options);
      const [loss, ...gradients] = results;
      for (const t of made) if (!results.includes(t)) t.dispose();
      return { loss: loss!, gradients: Object.fromEntries(names[0]!.map((name, i) => [name, gradients[i]!])) };
    },
  };
}

export default capture({
  title: "TensorFlow dynamic control flow",
  paper: {
    title: "Dynamic Control Flow in Large-Scale Machine Learning",
    venue: "EuroSys 2018",
    url: "https://arxiv.org/abs/1805.01772",
  },
  rows: ["dynamic-control-flow"],
  idea: "Write conditions and loops into the dataflow graph with Switch, Merge, Enter, Exit and NextIteration, run values that are tagged with frame and iteration so that iterations overlap, let dead values skip what is not taken, and differentiate a loop by a loop that takes saved values from a stack, which may be swapped out.",
  differs: [
    "A loop saves the state that each iteration was given, and its gradient computes the iteration again; the paper saves every intermediate that the gradient reads.",
    "Frames run on one machine: there are no partitions with control loops between them.",
  ],
  options: {
    parallelIterations: { default: 10, unit: "iterations", min: 1, help: "Iterations of a loop that may run at once." },
    stackBytes: { default: 2 ** 30, unit: "bytes", min: 0, help: "Saved values beyond these are moved out." },
  },
  claim: { metric: "compiledNodes", better: "lower", than: "jax", on: "lengths", factor: 5, where: "machine" },
  create: (options) => ({ quorum: (workers) => workers, capture: (model) => captured(model, options) }),
});
