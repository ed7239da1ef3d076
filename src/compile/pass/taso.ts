/** TASO: substitutions that a program found and proved, and a search that may take a step back. */
import type { Graph, Node, NodeId, Op, Type } from "../../graph/ir.ts";
import { pass } from "../pass.ts";
import { isExact } from "./taso/exact.ts";
import { ruleOf } from "./taso/match.ts";
import { type Found, search } from "./taso/search.ts";
import { emit, type Segment, segmentOf, segments } from "./taso/segment.ts";
import { substitutions } from "./taso/substitutions.ts";

export default pass({
  title: "TASO",
  paper: {
    title: "TASO: Optimizing Deep Learning Computation with Automated Generation of Graph Substitutions",
    venue: "SOSP'19",
    url: "https://doi.org/10.1145/3341301.3359630",
  },
  rows: ["taso"],
  idea:
    "Enumerate all small graphs over an operator set, pair those that give the same on random inputs, keep the pairs that follow " +
    "from the operators' axioms, and search with them by cost, through graphs that are worse by up to a factor alpha.",
  differs: [
    "Axioms are proved with by rewriting both graphs to a normal form, not by an SMT solver: what it cannot prove is dropped.",
    "Operators are products, sums, elementwise products and functions, transposition, concatenation and split of matrices; no convolutions.",
    "The published set has 743 substitutions over twelve operators; the file released with it, which the tests check, has 133.",
    "Costs are counted from bytes, operations and calls, not measured kernel by kernel on the machine.",
    "A value's layout is its own rows or a slice of another's; the readers decide which, and the cost knows. Formats of parameters stay.",
    "Parameters are stacked when the model is loaded; sums and products of parameters are not computed ahead.",
  ],
  options: {
    alpha: { default: 1.05, unit: "times the best", min: 1, help: "Cost up to which a worse graph is searched on." },
    graphsMax: { default: 100, unit: "graphs", min: 1, help: "Graphs that are taken from the queue for each part." },
    exact: { default: 1, unit: "0 or 1", min: 0, help: "Only substitutions that change no bit of the result." },
    tokens: { default: 1, unit: "tokens", min: 1, help: "Tokens in the step whose cost is minimised." },
  },
  claim: { metric: "calls", better: "lower", than: "none", on: "parallel-products", factor: 1.5, where: "machine" },

  create({ alpha, graphsMax, tokens, exact }) {
    const rules = substitutions.filter((s) => !exact || isExact(s)).flatMap((s) => ruleOf(s) ?? []);
    const machine = {
      tokens,
      callSeconds: 1.2e-7,
      waitSeconds: 1.5e-7,
      bytesPerSecond: 1.5e10,
      operationsPerSecond: 1.5e11,
    };
    return {
      name: "taso",
      run(graph, { formats }) {
        const known = new Map<string, Found & Pick<Segment, "terms">>();
        const write = new Writer(graph);
        for (const part of segments(graph)) {
          const segment = segmentOf(graph, part, formats);
          const { form, terms, outputs } = segment;
          const found = known.get(form) ?? { terms, ...search(terms, outputs, rules, { alpha, graphsMax, machine }) };
          known.set(form, found);
          for (const [old, id] of emit(segment, found, write)) write.rename(old, id);
        }
        return write.finish(graph.outputs);
      },
    };
  },
});

/** The graph that is made: sources first, as they stood, then the parts in order. */
class Writer {
  readonly #nodes: Node[] = [];
  readonly #names = new Map<NodeId, NodeId>();

  constructor({ nodes }: Graph) {
    for (const { id, op, type } of nodes) {
      if (op.kind === "weight" || op.kind === "input") this.rename(id, this.add(op, [], type));
    }
  }

  add = (op: Op, inputs: readonly NodeId[], type: Type): NodeId =>
    this.#nodes.push({ id: this.#nodes.length, op, inputs, type }) - 1;

  rename(old: NodeId, id: NodeId): void {
    this.#names.set(old, id);
  }

  renamed = (id: NodeId): NodeId => this.#names.get(id)!;

  finish(outputs: Graph["outputs"]): Graph {
    const renamed = Object.entries(outputs).map(([name, id]) => [name, this.renamed(id)] as const);
    return { nodes: this.#nodes, outputs: Object.fromEntries(renamed) };
  }
}
