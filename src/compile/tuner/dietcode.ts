/** DietCode: all numbers of tokens of a product are tuned together, over micro-kernels that any of them may use. */
import { type Random, stream } from "../../core/random.ts";
import { fit, type Sample } from "../schedule/boosted-trees.ts";
import type { LinearTile } from "../schedule/linear.ts";
import { roughCore, roughCycles } from "../schedule/rough-cycles.ts";
import { type Space, tileKey } from "../schedule/space.ts";
import { templateOf } from "../schedule/template.ts";
import { type Proposal, type TaskView, tuner } from "../tuner.ts";
import { dispatch } from "./dietcode/decision-tree.ts";

/** Tiles that are weighed against each other before a batch is measured. */
const poolTiles = 64;
/** A shape that would gain less than this share of its time is left alone. */
const gainMin = 0.005;
/** Of each shape on average, before a search may end. */
const trialsMin = 5;

export default tuner({
  title: "DietCode",
  paper: {
    title: "DietCode: Automatic Optimization for Dynamic Tensor Programs",
    venue: "MLSys'22",
    url: "https://proceedings.mlsys.org/paper_files/paper/2022/hash/f89b79c9a28d4cae22ef9e557d9fa191-Abstract.html",
  },
  rows: ["dietcode"],
  idea:
    "Take a product's time as that of a micro-kernel, learned from every measurement whatever its shape, times how often and " +
    "how fully a shape uses it, which is counted; measure where that predicts the most to gain; send shapes to kernels by a tree.",
  differs: [
    "Shapes differ in tokens alone, so the decision tree has thresholds of one number.",
    "A shape that fills no whole tile takes smaller ones, not a padded one; what those cost is counted, not estimated.",
  ],
  options: {
    batch: { default: 8, unit: "trials", min: 1, help: "Tiles measured before the model is fitted again." },
    leaves: { default: 8, unit: "kernels", min: 1, help: "Ranges of tokens with a kernel of their own." },
    shared: {
      default: 1,
      unit: "",
      min: 0,
      help: "0 learns of each number of tokens from its own measurements alone.",
    },
  },
  claim: { metric: "trialsToBest", better: "lower", than: "tvm", on: "dynamic", factor: 5, where: "sim" },

  create({ batch, leaves, shared }) {
    return {
      propose({ tasks, trialsLeft, seed }) {
        const groups = productsOf(tasks);
        const group = groups.reduce((least, g) => (rounds(g) < rounds(least) ? g : least), groups[0]!);
        const random = stream(seed, ...group.map(({ view }) => view.trials.length));
        const count = Math.min(batch, trialsLeft);
        if (rounds(group) === 0) return spread(group, count, random);
        const predict = predictor(group, shared !== 0);
        const tiles = pool(group, random);
        const measured = measuredTiles(group);
        // Where a shape would gain the most, as far as is known, its best new tile is measured; where none gains, it is enough.
        const wishes = group.flatMap(({ view, index }) => {
          const known = leastOf(measured, (tile) => predict(view, tile));
          const open = tiles.filter((tile) => isNew(view, tile) && view.space.valid(tile));
          const best = leastOf(open, (tile) => predict(view, tile));
          return best === undefined ? [] : [{ task: index, tile: best.tile, gain: 1 - best.cost / known!.cost }];
        });
        const early = rounds(group) < trialsMin * group.length;
        const worth = wishes.filter(({ gain }) => early || gain > gainMin).sort((a, b) => b.gain - a.gain);
        if (worth.length === 0) return [];
        const best = worth.slice(0, Math.ceil(0.75 * count)).map(({ task, tile }) => ({ task, tile }));
        const idle = group.filter(({ index }) => best.every(({ task }) => task !== index));
        return [...best, ...spread(idle, count - best.length, random)];
      },

      choose({ tasks }) {
        const chosen = tasks.map(({ space }) => space.analytical);
        for (const group of productsOf(tasks)) {
          const tiles = measuredTiles(group);
          const predict = predictor(group, shared !== 0);
          if (tiles.length === 0) continue;
          const costs = group.map(({ view }) => {
            const own = new Map(view.trials.map(({ tile, relative }) => [tileKey(tile), relative * view.seconds!]));
            const seconds = tiles.map((tile) => own.get(tileKey(tile)) ?? predict(view, tile));
            // Relative to the shape's best, so that large shapes are not all that counts.
            return seconds.map((s) => s / Math.min(...seconds));
          });
          const kernels = dispatch(group.length, tiles.length, leaves, (shape, tile) => costs[shape]![tile]!);
          for (const [shape, kernel] of kernels.entries()) chosen[group[shape]!.index] = tiles[kernel]!;
        }
        return chosen;
      },
    };
  },
});

interface Shape {
  readonly view: TaskView;
  readonly index: number;
}

/** Tasks of one product, the fewest tokens first. */
function productsOf(tasks: readonly TaskView[]): Shape[][] {
  const products = new Map<string, Shape[]>();
  for (const [index, view] of tasks.entries()) {
    const { format, n, k } = view.space.task;
    const key = `${JSON.stringify(format)} ${n} ${k}`;
    products.set(key, [...(products.get(key) ?? []), { view, index }]);
  }
  return [...products.values()].map((shapes) => shapes.sort((a, b) => tokensOf(a.view) - tokensOf(b.view)));
}

const rounds = (group: readonly Shape[]): number => group.reduce((n, { view }) => n + view.trials.length, 0);

const isNew = ({ trials }: TaskView, tile: LinearTile): boolean =>
  trials.every((t) => tileKey(t.tile) !== tileKey(tile));

function measuredTiles(group: readonly Shape[]): LinearTile[] {
  const tiles = group.flatMap(({ view }) => view.trials.map(({ tile }) => tile));
  return [...new Map(tiles.map((tile) => [tileKey(tile), tile])).values()];
}

/** At first tiles are drawn, for few tokens and for many. */
function spread(group: readonly Shape[], count: number, random: Random): Proposal[] {
  const step = Math.max(1, group.length / count);
  const shapes = group.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)).slice(0, count);
  return shapes.flatMap(({ view, index }) =>
    templateOf(view.space, view.trials)
      .draw(random, 1)
      .map((tile) => ({ task: index, tile })),
  );
}

function leastOf(
  tiles: readonly LinearTile[],
  costOf: (tile: LinearTile) => number,
): { readonly tile: LinearTile; readonly cost: number } | undefined {
  const costs = tiles.map(costOf);
  const least = costs.reduce((best, cost, i) => (cost < costs[best]! ? i : best), 0);
  return tiles.length === 0 ? undefined : { tile: tiles[least]!, cost: costs[least]! };
}

/** Drawn for few tokens and for many, and neighbours of what was best. */
function pool(group: readonly Shape[], random: Random): LinearTile[] {
  const largest = group.at(-1)!.view;
  const search = templateOf(largest.space, []);
  const best = group.flatMap(({ view }) => view.trials.toSorted((a, b) => a.relative - b.relative).slice(0, 1));
  const near = best.flatMap(({ tile }) => [tile, ...Array.from({ length: 6 }, () => search.neighbour(tile, random))]);
  return [...near, ...search.draw(random, poolTiles)];
}

/** §4.3: log seconds of a micro-kernel, learned, plus log of how much of it a shape takes, counted. */
function predictor(group: readonly Shape[], shared: boolean): (view: TaskView, tile: LinearTile) => number {
  const learnedFrom = (shapes: readonly Shape[]): ((tile: LinearTile, view: TaskView) => number) => {
    const residuals = new Map<string, { readonly tokens: number; readonly target: number }[]>();
    const samples = shapes.flatMap(({ view }) =>
      view.trials.map(({ tile, relative }): Sample => {
        const target = Math.log((relative * view.seconds!) / adaptation(view.space, tile));
        const key = tileKey(tile);
        residuals.set(key, [...(residuals.get(key) ?? []), { tokens: tokensOf(view), target }]);
        return { features: genericFeatures(view.space, tile), target };
      }),
    );
    const model = fit(samples, { objective: "squares", trees: 20, depth: 3, rate: 0.3 });
    return (tile, view) => {
      // What was measured with about as many tokens says more than the model.
      const far = (tokens: number): number => Math.abs(Math.log(tokens / tokensOf(view)));
      const own = residuals.get(tileKey(tile))?.reduce((a, b) => (far(b.tokens) < far(a.tokens) ? b : a));
      return own?.target ?? model(genericFeatures(view.space, tile));
    };
  };
  const all = shared ? learnedFrom(group) : undefined;
  const each = new Map(shared ? [] : group.map((shape) => [shape.view, learnedFrom([shape])]));
  return (view, tile) => Math.exp((all ?? each.get(view)!)(tile, view)) * adaptation(view.space, tile);
}

const tokensOf = ({ space }: TaskView): number => Math.max(...space.task.tokens);

/** Shape-generic: one whole tile, for each of its tokens. */
function genericFeatures(space: Space, tile: LinearTile): number[] {
  const { loops, registers, instructions } = space.tileWork(tile);
  const { counts, chain } = loops[0]!;
  const each = Object.values(counts).map((n) => n / tile.rows / tile.vectors / tile.unroll);
  return [...each, chain, registers, instructions, tile.rows, tile.vectors, tile.stage, tile.prefetch, tile.nextPanel];
}

/** Shape-specific: cycles of a panel, for all tiles that the tokens are cut into, or of its bytes, if more. */
function adaptation(space: Space, tile: LinearTile): number {
  return space.task.tokens.reduce((sum, tokens) => {
    const { tiles, unpacking, panelBytes } = space.panelWork(tile, tokens);
    const whole = tiles.reduce((n, { times, work }) => n + times * roughCycles(work), 0);
    const unpacked = unpacking === undefined ? 0 : roughCycles(unpacking);
    return sum + Math.max(whole + unpacked, panelBytes / roughCore.memory);
  }, 0);
}
