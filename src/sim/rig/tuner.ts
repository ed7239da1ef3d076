/**
 * The rig of tuners: products of Gemma on the modelled core, counted in trials.
 *
 * `trialsToBest` is how many trials it takes until what the tuner would choose is nearly as fast as the best of the template, which
 * all tiles of it were tried for; a search that never comes there counts as one that spent all it had. `stepSeconds` is what
 * the products of a step take with what was chosen at the end.
 */
import { x64Targets } from "../../compile/render/x64.ts";
import type { LinearTile } from "../../compile/schedule/linear.ts";
import { Space } from "../../compile/schedule/space.ts";
import { templateBase, templateKnobs } from "../../compile/schedule/template.ts";
import { PanelCounter } from "../../compile/schedule/tile-work.ts";
import { type TuningTask, tune } from "../../compile/tune.ts";
import { bestTrial, type Trial, type Tuner, type TuningView, tuners } from "../../compile/tuner.ts";
import { UserError } from "../../core/errors.ts";
import type { Seconds } from "../../time/clock.ts";
import { modelledSeconds } from "../modelled-core.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

const target = x64Targets["x64-avx512"];
interface TuningWorkload {
  /** Searches, each of some tasks together. */
  readonly searches: readonly (readonly TuningTask[])[];
  readonly trials: number;
  /** The share of the best's speed that counts as reached. */
  readonly reached: number;
  readonly seeds: readonly number[];
}

type Shape = readonly [type: "Q8_0" | "Q5_0" | "Q6_K", n: number, k: number, times: number];
const shapes = {
  query: ["Q5_0", 1024, 640, 18],
  keys: ["Q5_0", 256, 640, 18],
  output: ["Q5_0", 640, 1024, 18],
  gate: ["Q5_0", 2048, 640, 36],
  down: ["Q6_K", 640, 2048, 18],
  vocabulary: ["Q8_0", 262_144, 640, 1],
} as const satisfies Readonly<Record<string, Shape>>;

type MakeTask = (shape: Shape, ...tokens: readonly number[]) => TuningTask;

/** Tasks of one format and K are counted once. */
function taskMaker(): MakeTask {
  const counters = new Map<string, PanelCounter>();
  return ([type, n, k, times], ...tokens) => {
    const shape = { format: { kind: "blocks", type }, n, k, target, tokens } as const;
    const counter = counters.get(`${type} ${k}`) ?? new PanelCounter(shape);
    counters.set(`${type} ${k}`, counter);
    return { space: new Space(shape, counter), times };
  };
}

const { gate, down, vocabulary } = shapes;
const tokenCounts = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 31, 40, 48, 64, 96, 128];

const workloads: Readonly<Record<string, (make: MakeTask) => TuningWorkload>> = {
  /** One product at a time. */
  products: (make) => ({
    searches: [make(down, 128), make(gate, 2, 8, 16), make(gate, 16), make(vocabulary, 8)].map((one) => [one]),
    trials: 128,
    reached: 0.995,
    seeds: [1, 2],
  }),
  /** All products of a step of 11 tokens together, with few trials for each. */
  gemma: (make) => ({
    searches: [Object.values(shapes).map((shape) => make(shape, 11))],
    trials: 32 * Object.keys(shapes).length,
    reached: 0.95,
    seeds: [1, 2, 3, 4],
  }),
  /** One product, for many numbers of tokens. */
  dynamic: (make) => {
    // All numbers of tokens weigh the same, whatever they take.
    const [type, n, k] = gate;
    const tasks = tokenCounts.map((tokens) => make([type, n, k, 128 / tokens], tokens));
    return { searches: [tasks], trials: 640, reached: 0.98, seeds: [1] };
  },
};

function workloadOf(name: string): TuningWorkload {
  const found = workloads[name];
  if (found !== undefined) return found(taskMaker());
  throw new UserError(`There is no workload "${name}" for tuners.`, `There are: ${Object.keys(workloads).join(", ")}.`);
}

/** The least seconds of any tile of the template. */
function bestSeconds(space: Space): number {
  let best = Number.POSITIVE_INFINITY;
  for (const tile of space.tiles(templateKnobs, templateBase(space))) {
    best = Math.min(best, modelledSeconds(space, tile));
  }
  return best;
}

interface Outcome {
  readonly trials: number;
  readonly trialsToBest: number;
  readonly stepSeconds: number;
  readonly share: number;
}

interface Search {
  readonly tasks: readonly TuningTask[];
  /** The least that a step can take. */
  readonly best: Seconds;
  readonly trials: number;
  readonly reached: number;
  readonly seed: number;
}

async function search(id: string, tuner: Tuner, { tasks, best, trials, reached, seed }: Search): Promise<Outcome> {
  const seconds = (tile: LinearTile | undefined, { space, times }: TuningTask): Seconds =>
    tile === undefined ? Number.POSITIVE_INFINITY : times * modelledSeconds(space, tile);
  const step = (tiles: readonly (LinearTile | undefined)[]): Seconds =>
    tiles.reduce((sum, tile, i) => sum + seconds(tile, tasks[i]!), 0);
  let trialsToBest = trials;
  /** After each trial of a batch, in the order in which they were proposed. */
  const look = (task: number, batch: readonly Trial[], view: TuningView): void => {
    const before = trials - view.trialsLeft - batch.length;
    const { trials: all } = view.tasks[task]!;
    for (let n = 1; n <= batch.length && before + n < trialsToBest; n++) {
      const known = all.slice(0, all.length - batch.length + n);
      const tasks = view.tasks.map((one, i) => (i === task ? { ...one, trials: known } : one));
      // A choice that is made of all of a batch is not asked for in its midst.
      if (tuner.choose !== undefined && n < batch.length) continue;
      if (best / step(found(tuner, { ...view, tasks })) >= reached) trialsToBest = before + n;
    }
  };
  const bench = {
    measure: async (i: number, analytical: LinearTile, tiles: readonly LinearTile[]) => ({
      analytical: modelledSeconds(tasks[i]!.space, analytical),
      tiles: tiles.map((tile) => modelledSeconds(tasks[i]!.space, tile)),
    }),
  };
  const view = await tune(id, tuner, tasks, bench, { trials, seed, onTrials: look });
  const stepSeconds = step(found(tuner, view));
  return { trials: trials - view.trialsLeft, trialsToBest, stepSeconds, share: best / stepSeconds };
}

/** What the search came to by itself: the analytical choice is no find. */
function found(tuner: Tuner, view: TuningView): readonly (LinearTile | undefined)[] {
  return tuner.choose?.(view) ?? view.tasks.map(({ trials }) => bestTrial(trials)?.tile);
}

async function measure(id: string, workload: string, given: Given): Promise<Metrics> {
  const { searches, trials, reached, seeds } = workloadOf(workload);
  const tuner = await tuners.create(id, given);
  const outcomes: Outcome[] = [];
  for (const tasks of searches) {
    const best = tasks.reduce((sum, { space, times }) => sum + times * bestSeconds(space), 0);
    for (const seed of seeds) outcomes.push(await search(id, tuner, { tasks, best, trials, reached, seed }));
  }
  const mean = (of: (o: Outcome) => number): number => outcomes.reduce((sum, o) => sum + of(o), 0) / outcomes.length;
  return {
    trialsToBest: mean((o) => o.trialsToBest),
    trials: mean((o) => o.trials),
    stepSeconds: mean((o) => o.stepSeconds),
    shareOfBest: mean((o) => o.share),
    shareOfBestMin: Math.min(...outcomes.map((o) => o.share)),
  };
}

export const tunerRigs: readonly Rig[] = [
  { slot: tuners, workload: "products", measure: (id, _, on = "products", given = {}) => measure(id, on, given) },
];
