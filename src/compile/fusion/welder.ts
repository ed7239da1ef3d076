/** Connects operators by the tiles that they pass on: each edge is moved to the nearest memory level where that saves traffic. */
import { chainOf, type FusionNode, type FusionView, fusion, Partition } from "../fusion.ts";

export default fusion({
  title: "Welder",
  paper: {
    title: "Welder: Scheduling Deep Learning Memory Access via Tile-graph",
    venue: "OSDI 2023",
    url: "https://www.usenix.org/conference/osdi23/presentation/shi",
  },
  rows: ["welder"],
  idea: "Take the edges of the graph by the traffic that they cause, the most first, and connect each at the level of registers and scratch if the two operators have a tile in common and the tiles of all that they are connected with fit: a panel of columns behind products, the heads of a token behind attention, else a row.",
  differs: [
    "Two levels are told apart, a thread's scratch and the arena: which cache holds scratch is the machine's choice (paper: §3.1, any number of levels).",
    "Tile shapes follow from the operators, since products are packed in panels of 32 columns; the paper searches them for each group (§4.2).",
    "Traffic is what rows weigh; the paper also profiles the best candidates on the device.",
  ],
  options: {
    tokens: { default: 64, unit: "tokens", min: 1, help: "Of a step for which panels between products must fit." },
  },
  claim: { metric: "trafficBytes", better: "lower", than: "astitch", on: "decoder", factor: 1.3, where: "machine" },

  create({ tokens }) {
    return {
      partition(view) {
        const partition = new Partition(view);
        // A chain of products would compute a whole row in one tile: that is another technique's.
        const fits = (group: ReadonlySet<FusionNode>): boolean =>
          chainOf(group) === undefined && scratchOf(group, tokens) <= view.l2Bytes;
        for (const { from, to } of edgesByTraffic(view)) partition.join(from, to, fits);
        // What reads the same rows shares their tiles, though nothing flows between.
        for (const level of partition.levels()) {
          for (const [i, { id }] of level.entries()) {
            for (const other of level.slice(i + 1)) partition.join(id, other.id, fits);
          }
        }
        return partition.groups();
      },
    };
  },
});

/** A value read by one costs a write and a read; each further reader another read. */
function edgesByTraffic({ nodes }: FusionView): readonly { readonly from: number; readonly to: number }[] {
  const place = new Map(nodes.map((node, i) => [node.id, { node, i }]));
  return nodes
    .flatMap(({ id: to, inputs }) => inputs.map(({ node: from }) => ({ from, to })))
    .map((edge) => ({ ...edge, saved: savedBytes(place.get(edge.from)!.node), at: place.get(edge.to)!.i }))
    .sort((a, b) => b.saved - a.saved || a.at - b.at);
}

const savedBytes = ({ rowBytes, readers, output }: FusionNode): number =>
  output || readers.length > 1 ? rowBytes : 2 * rowBytes;

/** What a thread keeps of the group's values: panels of products for all tokens, or a row of each. */
function scratchOf(group: ReadonlySet<FusionNode>, tokens: number): number {
  const panels = [...group].filter(({ form }) => form === "panel");
  if (panels.length > 0) return panels.length * tokens * 32 * 4;
  return [...group].reduce((bytes, { rowBytes }) => bytes + rowBytes, 0);
}
