/**
 * Tracing: the function is called once with values that are only shapes, what it does becomes a graph, and the graph of loss and
 * gradients is compiled whole. Later calls with the same shapes run the program; a new shape, or a new number that the function
 * branches on, is traced anew.
 */
import { type Batch, type Captured, capture, type Model, type Named } from "../capture.ts";
import { tracing } from "../capture-control.ts";
import type { Tensor } from "../tensor.ts";
import { type Jitted, jit, valueAndGrad } from "../transform.ts";

type Whole = Jitted<[Named, Named], readonly [readonly [Tensor, undefined], Named]>;

function captured(model: Model): Captured {
  const programs = new Map<string, Whole>();
  const programOf = (counts: Batch["counts"]): Whole => {
    const key = JSON.stringify(counts);
    const known = programs.get(key);
    if (known !== undefined) return known;
    const made: Whole = jit((parameters: Named, arrays: Named) =>
      valueAndGrad((p: Named) => [model(tracing, p, { arrays, counts }), undefined] as const)(parameters),
    );
    programs.set(key, made);
    return made;
  };
  return {
    records: 0,
    run(parameters, { arrays, counts }) {
      const [[loss], gradients] = programOf(counts)(parameters, arrays);
      return { loss, gradients };
    },
  };
}

export default capture({
  title: "JAX",
  paper: {
    title: "Compiling machine learning programs via high-level tracing",
    venue: "SysML 2018",
    url: "https://mlsys.org/Conferences/doc/2018/146.pdf",
  },
  rows: ["jax"],
  idea: "Trace a pure function with abstract values into a graph, transform the graph (gradient, batching), compile it as one program with its operations fused, and keep the program by the types of the arguments.",
  differs: [
    "Loops whose counts are known are unrolled into the trace, as JAX does with Python's; a choice by a value computes both sides and selects.",
  ],
  options: {},
  claim: { metric: "launches", better: "lower", than: "pytorch", on: "mlp", factor: 4, where: "machine" },
  create: () => ({ quorum: (workers) => workers, capture: captured }),
});
