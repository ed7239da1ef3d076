/** Chains of products go through the cache block by block of tokens, where the analytical movement of data says that it pays. */
import { bestChain, type ChainChoice } from "../chain-movement.ts";
import { chainOf, type FusionNode, type FusionView, fusion, Partition } from "../fusion.ts";

export default fusion({
  title: "Chimera",
  paper: {
    title: "Chimera: An Analytical Optimizing Framework for Effective Compute-intensive Operators Fusion",
    venue: "HPCA 2023",
    url: "https://ieeexplore.ieee.org/document/10071018",
  },
  rows: ["chimera-fusion"],
  idea: "For each product of products, find the order and the sizes of blocks that move the fewest bytes with what is between kept in the cache; fuse the chain where that is less than the products move one after the other.",
  differs: [
    "Blocks of tokens are outermost in the kernel, and the rows between are whole in scratch: of the orders only the size of that block is carried out (paper: §4.2, any order).",
    "One level of memory is modelled, the second cache (paper: §4.3, each level in turn).",
    "Micro-kernels are those of the products, whatever the order (paper: §5, replaceable micro-kernels).",
  ],
  options: {
    tokens: { default: 0, unit: "tokens", min: 0, help: "Of the step that is planned for; 0 for the largest." },
  },
  claim: { metric: "movedBytes", better: "lower", than: "none", on: "narrow-products", factor: 2, where: "machine" },

  create({ tokens }) {
    const choice = (group: ReadonlySet<FusionNode>, view: FusionView): ChainChoice | undefined =>
      choose(group, tokens || view.tokens, view.l2Bytes);
    return {
      partition(view) {
        const partition = new Partition(view);
        for (const last of view.nodes) {
          const made = last.product && last.inputs[0];
          if (made === undefined) continue;
          const first = producers(partition.node(made.node), partition);
          if (first === undefined) continue;
          const group = new Set([...first, last]);
          if (choice(group, view) === undefined) continue;
          partition.joinAll(group);
        }
        return partition.groups();
      },
      block: (group, view) => {
        const nodes = new Set(view.nodes.filter(({ id }) => group.includes(id)));
        return choice(nodes, view)?.tiles.m ?? 1;
      },
    };
  },
});

/** The products that a value is made of column by column, and what lies between. */
function producers(made: FusionNode, partition: Partition): ReadonlySet<FusionNode> | undefined {
  const found = new Set<FusionNode>();
  const open = [made];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    if (node.product !== undefined) continue;
    if (!node.local || node.inputs.length === 0) return undefined;
    open.push(...node.inputs.map((input) => partition.node(input.node)));
  }
  return found.size > 1 ? found : undefined;
}

/** The blocks that move least, if they move less than a product after the other, which writes what is between and reads it. */
function choose(group: ReadonlySet<FusionNode>, tokens: number, capacity: number): ChainChoice | undefined {
  const chain = chainOf(group);
  if (chain === undefined) return undefined;
  const products = [...chain.first].flatMap(({ product }) => product ?? []);
  const between = [...chain.first].find(({ readers }) => readers.includes(chain.last.id))!;
  const { n, k: l, weightBytes } = chain.last.product!;
  const { k } = products[0]!;
  const first = products.reduce((sum, product) => sum + product.weightBytes, 0);
  const sizes = { m: tokens, k, l, n };
  const bytes = { a: 4, b: first / (k * l), c: between.rowBytes / l, d: weightBytes / (l * n), e: 4 };
  // Of blocks that move as much the largest is taken: the nearer caches read weights less often.
  const blocks = [128, 64, 32, 16, 8, 4].filter(
    (m) => m <= Math.max(4, tokens) && m * between.rowBytes <= capacity / 2,
  );
  const best = bestChain(sizes, bytes, capacity, { m: blocks, k: [k], l: [32, l], n: [n] });
  const apart = tokens * (k * bytes.a + 2 * between.rowBytes + n * bytes.e) + first + weightBytes;
  return best !== undefined && best.moved < apart ? best : undefined;
}
