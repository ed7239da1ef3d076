/**
 * Conditions and loops as dataflow (§4.1): Switch, Merge, Enter, Exit and NextIteration between operations on arrays. A value
 * on the branch not taken is dead, and what reads it is skipped.
 */
import type { ArrayOp, ArrayType } from "../../graph/array.ts";
import type { Flow } from "./flow.ts";

/** An output of a node: a switch has two, 0 where the predicate is 0. */
export interface Edge {
  readonly node: number;
  readonly port: number;
}

export type Primitive =
  | { readonly kind: "input"; readonly place: number }
  | { readonly kind: "op"; readonly op: ArrayOp; readonly type: ArrayType }
  /** (data, predicate) */
  | { readonly kind: "switch" }
  /** Whichever input comes alive. In a loop the first is of Enter, the second of NextIteration. */
  | { readonly kind: "merge"; readonly loop: boolean }
  /** Into a new frame, to its first iteration; a constant goes to each. */
  | { readonly kind: "enter"; readonly frame: number; readonly constant: boolean }
  | { readonly kind: "exit" }
  | { readonly kind: "next" }
  | { readonly kind: "stack" }
  | { readonly kind: "push" }
  | { readonly kind: "read"; readonly item: number };

export interface PrimitiveNode {
  readonly what: Primitive;
  /** `control`, where there is one, comes last: it is waited for, and makes dead, but is not read. */
  readonly inputs: readonly Edge[];
  readonly control: boolean;
}

export interface Dataflow {
  readonly nodes: readonly PrimitiveNode[];
  readonly inputs: readonly number[];
  readonly results: readonly Edge[];
  /** How many values enter each frame, by its number. */
  readonly enters: readonly number[];
}

export function dataflow(flow: Flow): Dataflow {
  const lowering = new Lowering();
  const inputs = flow.inputs.map((_, place) => lowering.add({ kind: "input", place }, []));
  const results = lowering.flow(flow, inputs, undefined);
  return { nodes: lowering.nodes, inputs: inputs.map(({ node }) => node), results, enters: lowering.enters };
}

class Lowering {
  readonly nodes: PrimitiveNode[] = [];
  readonly enters: number[] = [];

  add(what: Primitive, inputs: readonly Edge[], control?: Edge): Edge {
    const all = control === undefined ? inputs : [...inputs, control];
    return { node: this.nodes.push({ what, inputs: all, control: control !== undefined }) - 1, port: 0 };
  }

  /** `pivot` is alive where the flow runs: what has no inputs waits for it. */
  flow(flow: Flow, inputs: readonly Edge[], pivot: Edge | undefined): readonly Edge[] {
    const edges: Edge[] = [];
    const lists = new Map<number, readonly Edge[]>();
    for (const [place, id] of flow.inputs.entries()) edges[id] = inputs[place]!;
    for (const [id, node] of flow.nodes.entries()) {
      if (node.kind === "input") continue;
      if (node.kind === "item") {
        edges[id] = lists.get(node.inputs[0])![node.index]!;
        continue;
      }
      const given = node.inputs.map((i) => edges[i]!);
      if (node.kind === "cond") lists.set(id, this.#cond(given, node.whenTrue, node.whenFalse));
      else if (node.kind === "while") lists.set(id, this.#while(given, node.states, node.condition, node.body));
      else edges[id] = this.add(node, given, given.length === 0 ? pivot : undefined);
    }
    return flow.results.map((id) => edges[id]!);
  }

  #cond([predicate, ...inputs]: readonly Edge[], whenTrue: Flow, whenFalse: Flow): readonly Edge[] {
    const split = (edge: Edge): Edge => this.add({ kind: "switch" }, [edge, predicate!]);
    const switches = inputs.map(split);
    const pivot = split(predicate!);
    const [no, yes] = [whenFalse, whenTrue].map((branch, port) =>
      this.flow(
        branch,
        switches.map((s) => ({ ...s, port })),
        { ...pivot, port },
      ),
    );
    return yes!.map((edge, i) => this.add({ kind: "merge", loop: false }, [edge, no![i]!]));
  }

  #while(inputs: readonly Edge[], states: number, condition: Flow, body: Flow): readonly Edge[] {
    const frame = this.enters.push(inputs.length) - 1;
    const entered = inputs.map((edge, i) => this.add({ kind: "enter", frame, constant: i >= states }, [edge]));
    const constants = entered.slice(states);
    const used = condition.inputs.length - states;
    const merges = entered.slice(0, states).map((edge) => this.add({ kind: "merge", loop: true }, [edge]));
    const [holds] = this.flow(condition, [...merges, ...constants.slice(0, used)], merges[0]);
    const switches = merges.map((edge) => this.add({ kind: "switch" }, [edge, holds!]));
    const inside = switches.map((s) => ({ ...s, port: 1 }));
    const given = this.flow(body, [...inside, ...constants.slice(used)], inside[0]);
    for (const [i, { node }] of merges.entries()) {
      const next = this.add({ kind: "next" }, [given[i]!]);
      this.nodes[node] = { ...this.nodes[node]!, inputs: [entered[i]!, next] };
    }
    return switches.map((edge) => this.add({ kind: "exit" }, [edge]));
  }
}
