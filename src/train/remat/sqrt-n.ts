/** Sublinear memory: the forward part is cut into segments, and the inside of each is computed again when backward needs it. */

import { price } from "../memory/modelled.ts";
import {
  activations,
  type Drop,
  forwardTensors,
  keepAll,
  lastForward,
  type MemoryView,
  type UnitId,
} from "../memory.ts";
import { remat } from "../remat.ts";

export default remat({
  title: "Sublinear memory (sqrt n)",
  paper: {
    title: "Training Deep Nets with Sublinear Memory Cost",
    venue: "arXiv 2016",
    url: "https://arxiv.org/abs/1604.06174",
  },
  rows: [],
  idea: "Sweep the forward part with a budget of bytes; where it is spent, a segment ends and what crosses the cut is kept; drop the rest, compute a segment once more when backward enters it, and search the budget around the square root.",
  differs: [
    "The last segment is kept: backward enters it at once (paper: a mirror of every segment).",
    "Every number of segments up to twice the square root is priced; the fastest that fits is taken, else the smallest (paper: a few budgets around the square root, the smallest).",
  ],
  options: {
    segments: { default: 0, unit: "segments", min: 0, help: "Into how many the forward part is cut; 0 searches." },
  },
  claim: { metric: "peakBytes", better: "lower", than: "none", on: "resnet", factor: 1.3, where: "sim" },

  create({ segments }) {
    return {
      drops(view) {
        if (segments > 0) return cut(view, segments);
        const most = Math.ceil(2 * Math.sqrt(view.turn));
        const plans = Array.from({ length: most }, (_, i) => cut(view, i + 1));
        return best(view, plans);
      },
    };
  },
});

/** Alg. 3: a budget of bytes for each segment, and drops inside. */
function cut(view: MemoryView, segments: number): readonly Drop[] {
  const candidates = new Set(activations(view));
  const budget = [...candidates].reduce((sum, t) => sum + view.tensors[t]!.bytes, 0) / segments;
  const ends: UnitId[] = [];
  let spent = 0;
  for (let unit = 0; unit < view.turn && ends.length < segments - 1; unit++) {
    for (const t of view.units[unit]!.writes) if (candidates.has(t)) spent += view.tensors[t]!.bytes;
    if (spent < budget * (ends.length + 1)) continue;
    ends.push(unit);
  }
  return forwardTensors(view).flatMap((tensor): Drop[] => {
    const end = ends.find((e) => e >= view.tensors[tensor]!.producer!);
    const after = lastForward(view, tensor);
    return end === undefined || after > end ? [] : [{ tensor, after, stays: true }];
  });
}

/** The fastest that fits, else the one that needs least. */
function best(view: MemoryView, plans: readonly (readonly Drop[])[]): readonly Drop[] {
  const priced = plans.map((drops) => ({ drops, fits: price(view, { ...keepAll, drops }) }));
  const fitting = priced.filter((p) => p.fits !== undefined);
  if (fitting.length > 0) return fitting.reduce((a, b) => (b.fits!.seconds < a.fits!.seconds ? b : a)).drops;
  const roomy = { ...view, capacity: Number.POSITIVE_INFINITY };
  const peak = (drops: readonly Drop[]): number => price(roomy, { ...keepAll, drops })!.peakBytes;
  const sized = plans.map((drops) => ({ drops, bytes: peak(drops) }));
  return sized.reduce((a, b) => (b.bytes < a.bytes ? b : a)).drops;
}
