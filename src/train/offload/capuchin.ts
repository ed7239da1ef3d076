/** Measured tensor accesses: after a step that swaps on demand, what can leave unseen leaves, and the rest is computed again. */

import { price } from "../memory/modelled.ts";
import { copySeconds, type Drop, type In, keepAll, type MemoryPlan, type Out, type TensorId } from "../memory.ts";
import { type OffloadView, offload } from "../offload.ts";
import { AccessPlan } from "./capuchin/access-plan.ts";

export default offload({
  title: "Capuchin",
  paper: {
    title: "Capuchin: Tensor-based GPU Memory Management for Deep Learning",
    venue: "ASPLOS 2020",
    url: "https://doi.org/10.1145/3373376.3378505",
  },
  rows: ["capuchin"],
  idea: "Run one step with eviction on demand and note every access; then, until the step fits, swap the tensor whose gap between two accesses leaves most time beyond both copies, and when none has time left, compute again or swap what costs least for its bytes; a fetch that came late begins earlier in the next step.",
  differs: [
    "A candidate must save at the worst unit that remains (paper: bytes are counted against one sum).",
    "The plan's need for memory is checked by pricing it; where gaps in the arena break it, the margin grows (paper: passive mode catches it, as it does here at run time).",
  ],
  options: {
    feedback: { default: 5, unit: "% of a copy", min: 0, help: "How much earlier a fetch begins after it came late." },
    margin: { default: 2, unit: "%", min: 0, help: "Of the capacity, left free by the first plan." },
  },
  claim: { metric: "milliseconds", better: "lower", than: "vdnn", on: "transformer", factor: 1.1, where: "sim" },

  create({ feedback, margin }) {
    return {
      plan(view) {
        const measured = view.records[0];
        if (measured === undefined) return { ...keepAll, drops: view.drops, evict: "least-recent" };
        const seconds = view.units.map(() => 0);
        for (const run of measured.runs) if (!run.again) seconds[run.unit] = run.end - run.begin;
        const capacities = Array.from({ length: 8 }, (_, i) => view.capacity * (1 - (margin + 6 * i) / 100));
        const plans = capacities.map((capacity) => planOf(view, seconds, capacity, feedback / 100));
        // What is planned should suffice by itself: the passive mode is for what was not foreseen.
        return plans.find((plan) => price(view, { ...plan, evict: undefined }) !== undefined) ?? fastest(view, plans);
      },
    };
  },
});

function fastest(view: OffloadView, plans: readonly MemoryPlan[]): MemoryPlan {
  const seconds = plans.map((plan) => price(view, plan)?.seconds ?? Number.POSITIVE_INFINITY);
  return plans[seconds.indexOf(Math.min(...seconds))]!;
}

function planOf(view: OffloadView, seconds: readonly number[], capacity: number, feedback: number): MemoryPlan {
  const accesses = new AccessPlan(view, seconds);
  while (accesses.bytesMost > capacity) {
    if (!accesses.improve()) break;
  }
  const late = latePerTensor(view);
  const outs = accesses.swapped.map(({ tensor, from }): Out => ({ tensor, at: from, begin: "after", join: false }));
  const ins = accesses.swapped.map(({ tensor, to }): In => {
    const copy = copySeconds(view, view.tensors[tensor]!.bytes);
    const times = late.get(tensor) ?? 0;
    const at = accesses.unitAt(accesses.begins[to]! - copy * (1 + feedback * times));
    // An access is the finest time there is: at least one earlier for each time that it came late.
    const first = accesses.unitAt(accesses.begins[to]! - copy);
    return { tensor, at: feedback === 0 ? at : Math.max(0, Math.min(at, first - times)), join: false };
  });
  const drops: readonly Drop[] = [...view.drops, ...accesses.drops];
  return { ...keepAll, drops, outs, ins: ins.toSorted((a, b) => a.at - b.at), evict: "least-recent" };
}

/** In how many steps under a plan a tensor's fetch was not done in time. */
function latePerTensor(view: OffloadView): ReadonlyMap<TensorId, number> {
  const counts = new Map<TensorId, number>();
  for (const { runs } of view.records.slice(1)) {
    const late = new Set(runs.flatMap((run) => run.late.map((l) => l.tensor)));
    for (const t of late) counts.set(t, (counts.get(t) ?? 0) + 1);
  }
  return counts;
}
