/** Smart swapping: a genetic search over the order of units and the sizes of places, each candidate swapped by Belady's rule. */

import { beladySwaps } from "../memory/belady.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryPlan } from "../memory.ts";
import { type OffloadView, offload } from "../offload.ts";
import { Genes, type Genome } from "./swapadvisor/genes.ts";

export default offload({
  title: "SwapAdvisor",
  paper: {
    title: "SwapAdvisor: Pushing Deep Learning Beyond the GPU Memory Limit via Smart Swapping",
    venue: "ASPLOS 2020",
    url: "https://doi.org/10.1145/3373376.3378530",
  },
  rows: ["swapadvisor"],
  idea: "Evolve pairs of an order of operators and a size class for each size of tensor: crossed at a cut, mutated within dependencies; the fitness is the simulated step, in which tensors leave that are used last again and come back as early as there is room.",
  differs: [
    "A size class is how many bytes are set aside for a tensor in one arena (paper: pools of slots, one pool for each class).",
    "What was dropped by rematerialisation is not swapped; the paper has no recomputation.",
  ],
  options: {
    population: { default: 10, unit: "plans", min: 4, help: "Kept in each generation." },
    generations: { default: 8, unit: "generations", min: 0, help: "How often the population is renewed." },
    seed: { default: 1, unit: "", min: 0, help: "Of the search's draws." },
  },
  claim: { metric: "milliseconds", better: "lower", than: "on-demand", on: "inception", factor: 1.3, where: "sim" },

  create({ population, generations, seed }) {
    return {
      plan(view) {
        const known = view.records.at(-1)?.plan;
        // One search serves all steps: they are alike.
        if (known?.sizes !== undefined && price(view, known) !== undefined) return known;
        const genes = new Genes(view, seed);
        let all = genes.first(population).map((genome) => evaluate(view, genome));
        for (let generation = 0; generation < generations; generation++) {
          const children = Array.from({ length: population }, () => {
            const [a, b] = [genes.pick(all), genes.pick(all)];
            return evaluate(view, genes.mutated(genes.crossed(a.genome, b.genome)));
          });
          all = [...all, ...children].sort((a, b) => a.seconds - b.seconds).slice(0, population);
        }
        return all[0]!.plan;
      },
    };
  },
});

export interface Evaluated {
  readonly genome: Genome;
  readonly plan: MemoryPlan;
  readonly seconds: number;
}

function evaluate(view: OffloadView, genome: Genome): Evaluated {
  const fallback: MemoryPlan = { ...keepAll, ...genome, drops: view.drops, evict: "furthest" };
  // What lies free between places is lost: less is planned with until it fits.
  for (const share of [1, 0.95, 0.9, 0.8]) {
    const swaps = beladySwaps(view, genome.order, genome.sizes, view.capacity * share);
    if (swaps === undefined) break;
    const plan = { ...fallback, ...swaps };
    const record = price(view, plan);
    if (record !== undefined) return { genome, plan, seconds: record.seconds };
  }
  return { genome, plan: fallback, seconds: price(view, fallback)?.seconds ?? Number.POSITIVE_INFINITY };
}
