/** Cost-aware recomputation: cheap layers are computed again from the costly one before them, once or for each use. */

import { largestUnit } from "../memory/usage.ts";
import { type Drop, firstBackward, lastForward, type MemoryView, type UnitId } from "../memory.ts";
import { remat } from "../remat.ts";

export default remat({
  title: "SuperNeurons: cost-aware recomputation",
  paper: {
    title: "SuperNeurons: Dynamic GPU Memory Management for Training Deep Neural Networks",
    venue: "PPoPP 2018",
    url: "https://arxiv.org/abs/1801.04380",
  },
  rows: ["superneurons"],
  idea: "Keep what convolutions and products made and drop what the cheap layers between them made; compute a segment again once where it then holds no more than the largest layer does, else again for each use, with nothing kept.",
  differs: [
    "A unit is a compiled call: what is fused into a convolution is no tensor, and needs no recomputation (paper: layers of a framework).",
    "Tensors below a hundredth of the largest layer are kept (paper: a layer's statistics are its own).",
    "Where backward reads only what a cheap layer made, as of a ReLU, keeping the convolution's result instead saves nothing (paper: frameworks keep both).",
    "Half of the paper: the offload entry of the same name is the other, and both together fit where this alone does not.",
    "Convolution workspaces are not chosen: there is one algorithm, with its workspace counted.",
  ],
  options: {},
  claim: { metric: "recomputeMilliseconds", better: "lower", than: "sqrt-n", on: "resnet", factor: 2, where: "sim" },

  create() {
    return {
      drops(view) {
        const most = largestUnit(view);
        return segments(view).flatMap((units) => segmentDrops(view, units, most));
      },
    };
  },
});

/** Runs of cheap forward units between costly ones. */
function segments({ units, turn }: MemoryView): readonly (readonly UnitId[])[] {
  const all: UnitId[][] = [[]];
  for (let u = 0; u < turn; u++) {
    const { kind } = units[u]!;
    if (kind === "convolution" || kind === "product") all.push([]);
    else all.at(-1)!.push(u);
  }
  return all.filter((segment) => segment.length > 0);
}

/** A tensor so many times smaller than what the largest unit touches is kept: sums of a norm, for example. */
const small = 100;

function segmentDrops(view: MemoryView, units: readonly UnitId[], most: number): readonly Drop[] {
  const made = units.flatMap((u) => view.units[u]!.writes).filter((t) => !view.tensors[t]!.output);
  // The last units feed the loss: backward begins with them. What is small saves nothing.
  const worth = made.filter((t) => {
    const { bytes } = view.tensors[t]!;
    return (firstBackward(view, t) ?? view.units.length) > view.turn + 1 && bytes * small > most;
  });
  const bytes = worth.reduce((sum, t) => sum + view.tensors[t]!.bytes, 0);
  // Section 3.4: speed-centric where the segment's memory stays within the largest layer's, else memory-centric.
  const stays = bytes <= most;
  return worth.map((tensor) => ({ tensor, after: lastForward(view, tensor), stays }));
}
