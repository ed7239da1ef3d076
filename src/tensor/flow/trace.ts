/**
 * A model traced with its loops and choices kept: bodies become graphs of their own, and what a loop gives stands in the graph
 * around it as inputs of its name, until all of it is written as one program.
 */
import { assert } from "../../core/errors.ts";
import type { ArrayGraph, ArrayType } from "../../graph/array.ts";
import type { ArrayValue } from "../../graph/array-builder.ts";
import type { Control, Count } from "../capture.ts";
import { functions } from "../capture-control.ts";
import { trace } from "../compute.ts";
import { context } from "../context.ts";
import { tensor } from "../creation.ts";
import { Tensor } from "../tensor.ts";
import type { FlowValue, Scope } from "./flow.ts";

/** A body, and the values of the graph around it that it uses. */
interface Traced {
  readonly graph: ArrayGraph;
  readonly captured: readonly ArrayValue[];
}

export type Region =
  | { readonly kind: "loop"; readonly count: ArrayValue; readonly state: readonly ArrayValue[]; readonly body: Traced }
  | { readonly kind: "choose"; readonly condition: ArrayValue; readonly yes: Traced; readonly no: Traced };

const counter: ArrayType = { dtype: "i32", shape: [1] };

/** Collects the loops and choices of models that are traced with its `control`. */
export class Regions {
  readonly #regions: Region[] = [];

  readonly control: Control = {
    ...functions,
    loop: (count, state, body) => {
      const made = trace([counter, ...state], ([i, ...now]) => body(i!, now));
      const traced = this.#traced(made);
      const types = state.map(({ dtype, shape }) => ({ dtype, shape }));
      const region = { kind: "loop", count: tracedValue(count), state: state.map(tracedValue), body: traced } as const;
      return this.#results(region, types);
    },
    choose: (condition, yes, no) => {
      const [first, second] = [yes, no].map((f) => trace([], () => f())) as [Made, Made];
      const region = {
        kind: "choose",
        condition: tracedValue(condition),
        yes: this.#traced(first),
        no: this.#traced(second),
      } as const;
      return this.#results(region, typesOf(first.graph));
    },
  };

  #traced({ graph, captured }: Made): Traced {
    return { graph, captured: captured.map(tracedValue) };
  }

  /** What stands for the results in the graph that is being traced. */
  #results(region: Region, types: readonly ArrayType[]): readonly Tensor[] {
    const { trace: now } = context;
    assert(now !== undefined, () => "a loop of the graph outside of a trace");
    const id = this.#regions.push(region) - 1;
    return types.map((type, i) =>
      Tensor.traced(now, now.math.builder.add({ kind: "input", name: `region ${id} ${i}` }, [], type)),
    );
  }

  /** Writes a graph, with the regions in it, into a scope; its own inputs are `i0`, `i1`, … */
  write(scope: Scope, graph: ArrayGraph, inputs: readonly FlowValue[]): readonly FlowValue[] {
    const values: FlowValue[] = [];
    const results = new Map<number, readonly FlowValue[]>();
    for (const { id, op, inputs: from, type } of graph.nodes) {
      if (op.kind !== "input") {
        values[id] = scope.op(
          op,
          from.map((i) => values[i]!),
          type,
        );
        continue;
      }
      const [, region, place] = /^region (\d+) (\d+)$/.exec(op.name) ?? [];
      if (region === undefined) {
        values[id] = inputs[Number(op.name.slice(1))]!;
        continue;
      }
      const made = results.get(Number(region)) ?? this.#region(scope, this.#regions[Number(region)]!, values);
      results.set(Number(region), made);
      values[id] = made[Number(place)]!;
    }
    return Object.values(graph.outputs).map((id) => values[id]!);
  }

  #region(scope: Scope, region: Region, values: readonly FlowValue[]): readonly FlowValue[] {
    const here = (list: readonly ArrayValue[]): readonly FlowValue[] => list.map(({ id }) => values[id]!);
    if (region.kind === "choose") {
      const branch =
        ({ graph, captured }: Traced) =>
        (inner: Scope) =>
          this.write(inner, graph, here(captured));
      return scope.cond(values[region.condition.id]!, branch(region.yes), branch(region.no));
    }
    const { graph, captured } = region.body;
    const [, ...state] = scope.while(
      [scope.constant(0, counter), ...here(region.state)],
      (inner, [i]) => inner.op({ kind: "binary", fn: "lt" }, [i!, values[region.count.id]!]),
      (inner, [i, ...now]) => {
        const one = inner.constant(1, counter);
        const next = inner.op({ kind: "binary", fn: "add" }, [i!, one]);
        const given = [i!, ...now, ...here(captured)];
        return [next, ...this.write(inner, graph, given)];
      },
    );
    return state;
  }
}

type Made = ReturnType<typeof trace>;

const typesOf = ({ nodes, outputs }: ArrayGraph): readonly ArrayType[] =>
  Object.values(outputs).map((id) => nodes.find((node) => node.id === id)!.type);

/** Its value in the graph that is being traced now. */
function tracedValue(x: Count): ArrayValue {
  const { trace: now } = context;
  assert(now !== undefined, () => "a value of a graph outside of a trace");
  return now.valueOf(typeof x === "number" ? tensor([x], { dtype: "i32" }) : x);
}
