/** Stitches chains of memory-bound operations, reductions included, into one kernel: values stay in registers and scratch. */
import { type FusionNode, fusion, Partition } from "../fusion.ts";

export default fusion({
  title: "AStitch",
  paper: {
    title:
      "AStitch: Enabling a New Multi-Dimensional Optimization Space for Memory-Intensive ML Training and Inference on Modern SIMT Architectures",
    venue: "ASPLOS 2022",
    url: "https://dl.acm.org/doi/10.1145/3503222.3507723",
  },
  rows: ["astitch"],
  idea: "Join every memory-bound operation with those whose rows it reads, across reductions, while the rows that are read again fit the nearest cache; then join independent groups over the same rows.",
  differs: [
    "A work item is a row, so a row that is read again waits in its thread's scratch, and no reduction needs a barrier inside a kernel (paper: §4.3, global scratch space between blocks).",
    "Threads claim rows as they come: packing small rows and splitting large ones is left to the launch (paper: §4.2, adaptive thread mapping).",
    "Which values stay in registers follows from how often they are read; the paper derives it from dominant operations (§4.4).",
  ],
  options: {
    remote: { default: 1, unit: "flag", min: 0, help: "Whether groups that share no value are joined too." },
  },
  claim: { metric: "trafficBytes", better: "lower", than: "tvm", on: "decoder", factor: 1.2, where: "machine" },

  create({ remote }) {
    return {
      partition(view) {
        const partition = new Partition(view);
        const fits = (group: ReadonlySet<FusionNode>): boolean => {
          if ([...group].some(({ form }) => form !== "rows")) return false;
          const inside = ({ id, output }: FusionNode): boolean =>
            !output && partition.readers(id).every((user) => group.has(user));
          const held = [...group].filter((node) => inside(node) && isHeld(node, partition.readers(node.id)));
          return held.reduce((bytes, { rowBytes }) => bytes + rowBytes, 0) <= view.l1Bytes;
        };
        for (const { id, inputs } of view.nodes) for (const { node } of inputs) partition.join(node, id, fits);
        if (remote > 0) {
          for (const level of partition.levels()) {
            for (const [i, { id }] of level.entries()) {
              for (const other of level.slice(i + 1)) partition.join(id, other.id, fits);
            }
          }
        }
        return partition.groups();
      },
    };
  },
});

/** Its row is kept: it is made in an order of its own, or read by several, or more than once. */
function isHeld({ class: kind }: FusionNode, users: readonly FusionNode[]): boolean {
  return kind !== "injective" || users.length > 1 || users.some(({ passes }) => passes > 1);
}
