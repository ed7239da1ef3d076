/** Virtualised memory: what layers took leaves while they run forward, and comes back one layer ahead on the way backward. */

import { price } from "../memory/modelled.ts";
import { activations, type In, keepAll, lastForward, type MemoryPlan, type Out, type TensorId } from "../memory.ts";
import { type OffloadView, offload } from "../offload.ts";

export default offload({
  title: "vDNN",
  paper: {
    title: "vDNN: Virtualized Deep Neural Networks for Scalable, Memory-Efficient Neural Network Design",
    venue: "MICRO 2016",
    url: "https://arxiv.org/abs/1602.08124",
  },
  rows: ["vdnn"],
  idea: "Send a layer's input to the host while its last reader runs forward, and go on when it has left; on the way backward each layer fetches what the nearest layer before it needs, up to the next convolution; of none, convolutions only and all, trial steps choose the fastest that fits.",
  differs: [
    "There is one convolution algorithm, so the dynamic policy tries sets of layers only (paper: sets of layers, then algorithms layer by layer).",
    "Trials are priced by the simulator (paper: run for real before training).",
  ],
  options: {
    policy: { default: 0, unit: "0 dynamic, 1 convolutions, 2 all", min: 0, help: "Whose inputs leave." },
  },
  claim: { metric: "milliseconds", better: "lower", than: "on-demand", on: "vgg", factor: 1.15, where: "sim" },

  create({ policy }) {
    return {
      plan(view) {
        const none: MemoryPlan = { ...keepAll, drops: view.drops };
        const all = planOf(view, true);
        if (policy === 2) return all;
        const convolutions = planOf(view, false);
        if (policy === 1) return convolutions;
        return [none, convolutions].find((plan) => price(view, plan) !== undefined) ?? all;
      },
    };
  },
});

function planOf(view: OffloadView, all: boolean): MemoryPlan {
  const outs = leaving(view, all);
  return { ...keepAll, drops: view.drops, outs, ins: prefetches(view, new Set(outs.map((o) => o.tensor))) };
}

/** What convolutions read, or any layer, with the last unit that reads it forward: which is when a reference count ends. */
function leaving(view: OffloadView, all: boolean): readonly Out[] {
  const dropped = new Set(view.drops.map((d) => d.tensor));
  return activations(view).flatMap((tensor): Out[] => {
    const at = lastForward(view, tensor);
    const { producer, uses } = view.tensors[tensor]!;
    const read = uses.some((u) => u < view.turn && (all || view.units[u]!.kind === "convolution"));
    if (dropped.has(tensor) || !read || at === producer || at >= view.turn - 1) return [];
    return [{ tensor, at, begin: "with", join: true }];
  });
}

/** Fig. 10: each backward layer fetches for the nearest layer that it comes before, but not beyond a convolution. */
function prefetches(view: OffloadView, away: Set<TensorId>): readonly In[] {
  const ins: In[] = [];
  for (let at = view.turn; at < view.units.length; at++) {
    for (let next = at + 1; next < view.units.length; next++) {
      const { reads, kind } = view.units[next]!;
      const wanted = reads.filter((t) => away.has(t));
      for (const tensor of wanted) {
        ins.push({ tensor, at, join: true });
        away.delete(tensor);
      }
      if (wanted.length > 0 || kind === "convolution") break;
    }
    // What this unit reads itself is fetched by the engine, if nothing did before.
    for (const t of view.units[at]!.reads) away.delete(t);
  }
  return ins;
}
