/** Adds to the logits what sampling needs of them, so that they are reduced where they are computed. */
import type { Graph, Node, Op, Type } from "../../graph/ir.ts";
import type { Pass } from "../transform.ts";

export const appendStatistics: Pass = {
  name: "append-statistics",
  run(graph): Graph {
    const logits = graph.nodes.find((n) => n.id === graph.outputs.logits);
    if (logits === undefined) return graph;
    const nodes: Node[] = [...graph.nodes];
    const next = 1 + Math.max(...nodes.map((n) => n.id));
    const [rows = "S", vocabulary] = logits.type.shape;
    const runs: Type = { dtype: "f32", shape: [rows, Math.ceil(Number(vocabulary) / 256)] };
    const add = (op: Op, inputs: readonly number[], type: Type): number => {
      const id = next + nodes.length - graph.nodes.length;
      nodes.push({ id, op, inputs, type });
      return id;
    };
    const temperatures = add({ kind: "input", name: "inverseTemperatures" }, [], { dtype: "f32", shape: [rows] });
    const maxima = add({ kind: "rowMaxima" }, [logits.id], runs);
    const sums = add({ kind: "rowSums" }, [logits.id, maxima, temperatures], runs);
    return { nodes, outputs: { ...graph.outputs, maxima, sums } };
  },
};
