/** The rules of TVM's graph compiler: what may be fused follows from the class of each operation alone. */
import { type FusionNode, type FusionView, fusion, type OpClass, Partition } from "../fusion.ts";

export default fusion({
  title: "TVM",
  paper: {
    title: "TVM: An Automated End-to-End Optimizing Compiler for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/chen",
  },
  rows: ["tvm"],
  idea: "Fuse an operation with the one that all its readers lead to, if only injective ones lie between: an injective one with an injective one or a reduction, a product with an injective one and no other product; nothing is fused behind a reduction or an opaque operation.",
  differs: ["The learned cost model and the search over schedules are another slot's."],
  options: {},
  claim: { metric: "trafficBytes", better: "lower", than: "none", on: "decoder", factor: 1.05, where: "machine" },

  create() {
    return {
      partition(view) {
        const partition = new Partition(view);
        const sinks = sinksOf(view, partition);
        for (const node of view.nodes) {
          const sink = sinks.get(node.id);
          if (sink === undefined || !mayEnd(node.class, sink.class)) continue;
          const path = between(node, sink, partition);
          if (path.some((n) => n.class !== "injective")) continue;
          for (const n of [...path, sink]) if (!partition.join(node.id, n.id, atMostOneProduct)) break;
        }
        return partition.groups();
      },
    };
  },
});

const mayEnd = (from: OpClass, to: OpClass): boolean =>
  from === "injective" ? to === "injective" || to === "reduction" : from === "complex" && to === "injective";

/** And nothing but injective operations behind it. */
const atMostOneProduct = (group: ReadonlySet<FusionNode>): boolean => {
  const products = [...group].filter(({ class: kind }) => kind === "complex").length;
  return products === 0 || (products === 1 && [...group].every(({ class: kind }) => kind !== "reduction"));
};

/** For each node the one that every path from it to an output or an end goes through next: its post-dominator. */
function sinksOf({ nodes }: FusionView, partition: Partition): Map<number, FusionNode> {
  const sinks = new Map<number, FusionNode>();
  const place = new Map(nodes.map(({ id }, i) => [id, i]));
  for (const { id, output } of nodes.toReversed()) {
    if (output) continue;
    const meet = (a: FusionNode | undefined, b: FusionNode | undefined): FusionNode | undefined => {
      while (a !== undefined && b !== undefined && a !== b) {
        if (place.get(a.id)! < place.get(b.id)!) a = sinks.get(a.id);
        else b = sinks.get(b.id);
      }
      return a === b ? a : undefined;
    };
    const [first, ...others] = partition.readers(id);
    const sink = others.reduce<FusionNode | undefined>(meet, first);
    if (sink !== undefined) sinks.set(id, sink);
  }
  return sinks;
}

/** What lies on the paths from a node to its post-dominator. */
function between(from: FusionNode, to: FusionNode, partition: Partition): readonly FusionNode[] {
  const found = new Set<FusionNode>();
  const open = [...partition.readers(from.id)];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node === to || found.has(node)) continue;
    found.add(node);
    open.push(...partition.readers(node.id));
  }
  return [...found];
}
