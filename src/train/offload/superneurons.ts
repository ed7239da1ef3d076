/** A unified tensor pool: checkpoints live on the device or on the host, in a cache that lets the least recent go. */
import { type In, isActivation, keepAll, lastForward, type MemoryView, type Out, type TensorId } from "../memory.ts";
import { offload } from "../offload.ts";

export default offload({
  title: "SuperNeurons: unified tensor pool",
  paper: {
    title: "SuperNeurons: Dynamic GPU Memory Management for Training Deep Neural Networks",
    venue: "PPoPP 2018",
    url: "https://arxiv.org/abs/1801.04380",
  },
  rows: ["superneurons"],
  idea: "What convolutions and products made goes to the host only when memory does not suffice, the least recently used first; each such layer's backward run fetches what the one before it will read.",
  differs: [
    "Any tensor may leave, parameters too, where the least recent one is no checkpoint (paper: checkpoints; the rest is recomputed).",
    "Meant to be combined with the remat entry of the same name; alone it offloads only.",
  ],
  options: {
    cache: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "1 lets tensors leave on pressure, 0 as soon as forward is done with them.",
    },
  },
  claim: { metric: "milliseconds", better: "lower", than: "on-demand", on: "vgg", factor: 1.02, where: "sim" },

  create({ cache }) {
    return {
      plan(view) {
        const dropped = new Set(view.drops.map((d) => d.tensor));
        const kept = checkpoints(view).filter((t) => !dropped.has(t));
        const outs = kept.map(
          (tensor): Out => ({ tensor, at: lastForward(view, tensor), begin: "after", join: false }),
        );
        const plan = { ...keepAll, drops: view.drops, ins: prefetches(view, new Set(kept)) };
        return cache > 0 ? { ...plan, evict: "least-recent" } : { ...plan, outs, evict: "least-recent" };
      },
    };
  },
});

const costly = (view: MemoryView, unit: number): boolean => {
  const { kind } = view.units[unit]!;
  return kind === "convolution" || kind === "product";
};

/** What costly units made, and what they read: both are wanted by backward runs of costly units. */
const checkpoints = (view: MemoryView): readonly TensorId[] =>
  [...view.tensors.keys()].filter((t) => {
    const { producer, uses } = view.tensors[t]!;
    return isActivation(view, t) && [producer!, ...uses].some((u) => costly(view, u));
  });

/** Each costly backward unit begins to fetch what is read from behind it up to and with the next costly one. */
function prefetches(view: MemoryView, kept: Set<TensorId>): readonly In[] {
  const ins: In[] = [];
  for (let at = view.turn; at < view.units.length; at++) {
    if (at > view.turn && !costly(view, at)) continue;
    for (let next = at + 1; next < view.units.length; next++) {
      for (const tensor of view.units[next]!.reads) {
        if (kept.delete(tensor)) ins.push({ tensor, at, join: false });
      }
      if (costly(view, next)) break;
    }
  }
  return ins;
}
