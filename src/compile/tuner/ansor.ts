/** Ansor: sketches from rules, annotated at random, evolved under a learned cost model; the next task where it pays most. */
import { type Random, stream } from "../../core/random.ts";
import { bestBy, learnOrder, type TileScore } from "../schedule/learned-cost.ts";
import type { LinearTile } from "../schedule/linear.ts";
import { type Space, tileKey } from "../schedule/space.ts";
import { Search, templateBase } from "../schedule/template.ts";
import { bestTrial, nextInTurn, type TaskView, type Trial, tuner } from "../tuner.ts";
import { sketchesOf } from "./ansor/sketches.ts";

/** Of what a sketch leaves open. */
const annotations = ["rows", "vectors", "prefetch", "nextPanel", "unroll"] as const;
/** §6.2: how much the past counts against what is hoped for, and trials over which the past is taken. */
const scheduling = { alpha: 0.2, window: 2 } as const;

export default tuner({
  title: "Ansor",
  paper: {
    title: "Ansor: Generating High-Performance Tensor Programs for Deep Learning",
    venue: "OSDI'20",
    url: "https://www.usenix.org/conference/osdi20/presentation/zheng",
  },
  rows: ["ansor"],
  idea:
    "Derive sketches by rules (stage the panel, go through it in parts, repeat operands from memory, cut tokens exactly or evenly), draw " +
    "the rest at random, evolve by mutation and crossing under a learned cost model, and give each batch of trials to the " +
    "product whose time in a step falls the most for it.",
  differs: [
    "Rules derive this compiler's tiles of matrix products; the paper's derive loop nests of any computation.",
    "Every mutation changes one knob; the paper also has mutations of its own for tile sizes, parallelism and locations.",
    "The scheduler's hope for a task is what it would gain if it went on as it did on average; the paper's bound by similar tasks is left out.",
  ],
  options: {
    batch: { default: 8, unit: "trials", min: 1, help: "Tiles measured before the model is fitted again." },
    population: { default: 64, unit: "tiles", min: 2, help: "Tiles of a generation." },
    generations: { default: 4, unit: "generations", min: 0, help: "How often the better half is bred." },
    sketches: { default: 1, unit: "", min: 0, help: "0 keeps to the template, as a person wrote it." },
    gradient: { default: 1, unit: "", min: 0, help: "0 gives each product its turn." },
  },
  claim: { metric: "stepSeconds", better: "lower", than: "tvm", on: "gemma", factor: 1.05, where: "sim" },

  create({ batch, population, generations, sketches, gradient }) {
    return {
      propose({ tasks, trialsLeft, seed }) {
        const task = gradient === 0 ? nextInTurn(tasks) : steepest(tasks, batch);
        const { space, trials } = tasks[task]!;
        const random = stream(seed, task, trials.length);
        const bases = sketches === 0 ? [...stages(space)] : sketchesOf(space);
        const search = new Search(space, annotations, bases, trials);
        const count = Math.min(batch, trialsLeft);
        const propose = (tiles: readonly LinearTile[]) => tiles.map((tile) => ({ task, tile }));
        if (trials.length === 0) return propose(search.draw(random, count));
        const score = learnOrder(alike(tasks, task))(space);
        const found = evolve(search, score, trials, { population, generations, random });
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

const stages = (space: Space): LinearTile[] =>
  (space.knob("stage").values as readonly (0 | 1)[]).map((stage) => ({ ...templateBase(space), stage }));

/** One model for all products of a format: what slows one tile down slows it down in another. */
function alike(tasks: readonly TaskView[], of: number): { readonly space: Space; readonly trials: readonly Trial[] }[] {
  const { format, tokens } = tasks[of]!.space.task;
  const same = tasks.filter(({ space: { task } }, i) => {
    return i === of || (JSON.stringify(task.format) === JSON.stringify(format) && `${task.tokens}` === `${tokens}`);
  });
  return same.map(({ space, trials }) => ({ space, trials: trials.slice(-64) }));
}

/** §6.2: the product by whose next batch a step is expected to gain the most seconds. Each is tried once before. */
function steepest(tasks: readonly TaskView[], batch: number): number {
  const fresh = tasks.findIndex(({ trials }) => trials.length === 0);
  if (fresh >= 0) return fresh;
  const gains = tasks.map(({ times, seconds = 0, trials }) => {
    const now = Math.min(1, bestTrial(trials)!.relative);
    const before = Math.min(1, bestTrial(trials.slice(0, -scheduling.window * batch))?.relative ?? 1);
    const past = (before - now) / Math.min(scheduling.window, trials.length / batch);
    const hoped = now / (trials.length / batch);
    return times * seconds * (scheduling.alpha * past + (1 - scheduling.alpha) * hoped);
  });
  return gains.reduce((best, gain, i) => (gain > gains[best]! ? i : best), 0);
}

interface Evolution {
  readonly population: number;
  readonly generations: number;
  readonly random: Random;
}

/** §5.1: all tiles that were born. Parents are the better half of each generation; the first has the best measured tiles. */
function evolve(
  search: Search,
  score: TileScore,
  trials: readonly Trial[],
  { population, generations, random }: Evolution,
): ReadonlyMap<string, LinearTile> {
  const elders = trials.toSorted((a, b) => a.relative - b.relative).slice(0, population / 4);
  let generation = [...elders.map(({ tile }) => tile), ...search.draw(random, population - elders.length)];
  const born = new Map(generation.map((tile) => [tileKey(tile), tile]));
  for (let n = 0; n < generations && generation.length > 1; n++) {
    const parents = bestBy(score, generation).slice(0, Math.ceil(generation.length / 2));
    const any = (): LinearTile => parents[Math.floor(random() * parents.length)]!;
    generation = Array.from({ length: population }, () =>
      random() < 0.3 ? search.cross(any(), any(), random) : search.neighbour(any(), random),
    );
    for (const tile of generation) born.set(tileKey(tile), tile);
  }
  return born;
}
