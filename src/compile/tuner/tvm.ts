/** TVM's AutoTVM: a template's knobs, searched by simulated annealing over a cost model that learns to rank. */
import { type Random, stream } from "../../core/random.ts";
import { bestBy, learnOrder, type TileScore } from "../schedule/learned-cost.ts";
import type { LinearTile } from "../schedule/linear.ts";
import { tileKey } from "../schedule/space.ts";
import { type Search, templateOf } from "../schedule/template.ts";
import { nextInTurn, type Trial, tuner } from "../tuner.ts";

export default tuner({
  title: "TVM",
  paper: {
    title: "TVM: An Automated End-to-End Optimizing Compiler for Deep Learning",
    venue: "OSDI'18",
    url: "https://www.usenix.org/conference/osdi18/presentation/chen",
  },
  rows: ["tvm"],
  idea:
    "Measure a batch of a template's tiles; fit gradient-boosted trees to their order; walk by simulated annealing to tiles " +
    "that the trees rank high; measure the best of those next.",
  differs: [
    "The template is of matrix products on this compiler's tiles; the paper's are tensor expressions with their schedules.",
    "Features are counts of a tile's instructions and of the memory it goes through, not of a loop nest's touched memory.",
    "Walks begin at the best measured tiles each time: a search holds no state, so it can be continued from its records.",
    "Graph-level rewriting and fusion are passes of the compiler, and no part of this entry.",
  ],
  options: {
    batch: { default: 8, unit: "trials", min: 1, help: "Tiles measured before the model is fitted again." },
    walks: { default: 16, unit: "walks", min: 1, help: "Walks of simulated annealing at once." },
    steps: { default: 40, unit: "steps", min: 0, help: "Steps of each walk." },
    model: {
      default: 1,
      unit: "",
      min: 0,
      help: "0 ranks tiles by chance: what the search is without its cost model.",
    },
  },
  claim: { metric: "trialsToBest", better: "lower", than: "random", on: "products", factor: 1.5, where: "sim" },

  create({ batch, walks, steps, model }) {
    return {
      propose({ tasks, trialsLeft, seed }) {
        const task = nextInTurn(tasks);
        const { space, trials } = tasks[task]!;
        const random = stream(seed, task, trials.length);
        const search = templateOf(space, trials);
        const count = Math.min(batch, trialsLeft);
        const propose = (tiles: readonly LinearTile[]) => tiles.map((tile) => ({ task, tile }));
        if (trials.length === 0) return propose(search.draw(random, count));
        const score: TileScore = model === 0 ? () => random() : learnOrder([{ space, trials }])(space);
        const found = anneal(search, score, starts(search, trials, walks, random), steps, random);
        // One of a batch is drawn: a model knows nothing of where it has not been.
        const best = bestBy(score, found.values())
          .filter(search.isNew)
          .slice(0, Math.max(1, count - 1));
        const chosen = new Map(best.map((tile) => [tileKey(tile), tile]));
        for (const tile of search.draw(random, 2 * count)) if (chosen.size < count) chosen.set(tileKey(tile), tile);
        return propose([...chosen.values()]);
      },
    };
  },
});

/** Half of the walks begin at the best measured tiles, the others anywhere. */
function starts(search: Search, trials: readonly Trial[], walks: number, random: Random): LinearTile[] {
  const measured = trials.toSorted((a, b) => a.relative - b.relative).slice(0, Math.ceil(walks / 2));
  const tiles = measured.map(({ tile }) => tile);
  while (tiles.length < walks) {
    const tile = search.any(random);
    if (tile === undefined) break;
    tiles.push(tile);
  }
  return tiles;
}

/** All tiles that the walks came by. A worse neighbour is taken the less often, the later it comes. */
function anneal(
  search: Search,
  score: TileScore,
  from: readonly LinearTile[],
  steps: number,
  random: Random,
): ReadonlyMap<string, LinearTile> {
  const seen = new Map(from.map((tile) => [tileKey(tile), tile]));
  const scores = new Map<string, number>();
  const scoreOf = (tile: LinearTile): number => {
    const key = tileKey(tile);
    const known = scores.get(key) ?? score(tile);
    scores.set(key, known);
    return known;
  };
  const current = [...from];
  for (let step = 0; step < steps; step++) {
    const temperature = 1 - step / steps;
    for (const [walk, tile] of current.entries()) {
      const next = search.neighbour(tile, random);
      seen.set(tileKey(next), next);
      const gain = scoreOf(next) - scoreOf(tile);
      if (gain >= 0 || random() < Math.exp(gain / temperature)) current[walk] = next;
    }
  }
  return seen;
}
