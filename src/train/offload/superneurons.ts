/** A unified tensor pool: checkpoints live on the device or on the host, behind a cache that lets the least recent go. */

import { price } from "../memory/modelled.ts";
import {
  forwardTensors,
  type In,
  keepAll,
  lastForward,
  type MemoryPlan,
  type MemoryView,
  type Out,
  sourcesOf,
  type TensorId,
} from "../memory.ts";
import { offload } from "../offload.ts";

export default offload({
  title: "SuperNeurons: unified tensor pool",
  paper: {
    title: "SuperNeurons: Dynamic GPU Memory Management for Training Deep Neural Networks",
    venue: "PPoPP 2018",
    url: "https://arxiv.org/abs/1801.04380",
  },
  rows: ["superneurons"],
  idea: "Where memory does not suffice, what convolutions and products made goes to the host when forward is done with it, each such layer's backward run fetches what the one before it will read, and a cache lets the least recently used go when still nothing fits.",
  differs: [
    "Checkpoints leave at once where the cache alone would have to evict (paper: when the cache is full).",
    "Any tensor may leave, parameters too, where the least recent one is no checkpoint (paper: checkpoints; the rest is recomputed).",
    "Meant to be combined with the remat entry of the same name; alone it offloads only.",
  ],
  options: {},
  claim: { metric: "milliseconds", better: "lower", than: "on-demand", on: "vgg", factor: 1.1, where: "sim" },

  create() {
    return {
      plan(view) {
        const dropped = new Set(view.drops.map((d) => d.tensor));
        const kept = checkpoints(view).filter((t) => !dropped.has(t));
        const ins = prefetches(view, new Set(kept), dropped);
        const cached: MemoryPlan = { ...keepAll, drops: view.drops, ins, evict: "least-recent" };
        if (price(view, cached)?.evicted.length === 0) return cached;
        const outs = kept.map(
          (tensor): Out => ({ tensor, at: lastForward(view, tensor), begin: "after", join: false }),
        );
        return { ...cached, outs };
      },
    };
  },
});

const costly = (view: MemoryView, unit: number): boolean => {
  const { kind } = view.units[unit]!;
  return kind === "convolution" || kind === "product";
};

/** What costly units made, and what they read: backward runs of costly units want both, or compute others from them. */
const checkpoints = (view: MemoryView): readonly TensorId[] =>
  forwardTensors(view).filter((t) => {
    const { producer, uses } = view.tensors[t]!;
    return [producer!, ...uses].some((u) => costly(view, u));
  });

/** Each costly backward unit begins to fetch what is wanted behind it up to and with the next costly one. */
function prefetches(view: MemoryView, kept: Set<TensorId>, dropped: ReadonlySet<TensorId>): readonly In[] {
  const ins: In[] = [];
  for (let at = view.turn; at < view.units.length; at++) {
    if (at > view.turn && !costly(view, at)) continue;
    for (let next = at + 1; next < view.units.length; next++) {
      for (const tensor of view.units[next]!.reads.flatMap((t) => sourcesOf(view, dropped, t))) {
        if (kept.delete(tensor)) ins.push({ tensor, at, join: false });
      }
      if (costly(view, next)) break;
    }
  }
  return ins;
}
