/**
 * The tuning engine: asks a tuner what to measure, checks it, has it measured, shows the tuner what came of it.
 *
 *     tuner ──proposals──► checks ──tiles of a task──► bench ──trials──► view ──► tuner …
 */
import { assert } from "../core/errors.ts";
import type { Seconds } from "../time/clock.ts";
import type { LinearSchedule, LinearTile } from "./schedule/linear.ts";
import { type Space, tileKey } from "./schedule/space.ts";
import { bestTrial, type Proposal, type TaskView, type Trial, type Tuner, type TuningView } from "./tuner.ts";

export interface TuningTask {
  readonly space: Space;
  /** How often a step computes this product. */
  readonly times: number;
}

export interface Measured {
  /** Of the analytical choice, and of each tile, measured in turns. */
  readonly analytical: Seconds;
  readonly tiles: readonly Seconds[];
}

/** What measures: a device, or a model of one. */
export interface TuningBench {
  measure(task: number, analytical: LinearTile, tiles: readonly LinearTile[]): Promise<Measured>;
}

export interface TuningOptions {
  readonly trials: number;
  readonly seed: number;
  /** What was measured before, of each task. */
  readonly known?: readonly (readonly Trial[])[];
  /** Called with what was measured of a task. */
  readonly onTrials?: (task: number, trials: readonly Trial[], view: TuningView) => void;
  /** Asked before each measurement. */
  readonly stopped?: () => boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What is known at the end: the tuner's choice is `chosenTiles` of it. */
export async function tune(
  name: string,
  tuner: Tuner,
  tasks: readonly TuningTask[],
  bench: TuningBench,
  options: TuningOptions,
): Promise<TuningView> {
  const views = tasks.map(({ space, times }, i): Mutable<TaskView> => {
    return { space, times, seconds: undefined, trials: options.known?.[i] ?? [] };
  });
  const view: Mutable<TuningView> = { tasks: views, trialsLeft: options.trials, seed: options.seed };
  while (view.trialsLeft > 0) {
    const proposals = tuner.propose(view);
    if (proposals.length === 0) break;
    check(name, view, proposals);
    for (const [task, tiles] of byTask(proposals)) {
      if (options.stopped?.()) return view;
      const measured = await bench.measure(task, views[task]!.space.analytical, tiles);
      const trials = tiles.map((tile, i) => ({ tile, relative: measured.tiles[i]! / measured.analytical }));
      const { seconds = measured.analytical } = views[task]!;
      views[task]!.seconds = Math.min(seconds, measured.analytical);
      views[task]!.trials = [...views[task]!.trials, ...trials];
      view.trialsLeft -= trials.length;
      options.onTrials?.(task, trials, view);
    }
  }
  return view;
}

function byTask(proposals: readonly Proposal[]): ReadonlyMap<number, readonly LinearTile[]> {
  const groups = new Map<number, LinearTile[]>();
  for (const { task, tile } of proposals) groups.set(task, [...(groups.get(task) ?? []), tile]);
  return groups;
}

function check(name: string, view: TuningView, proposals: readonly Proposal[]): void {
  assert(
    proposals.length <= view.trialsLeft,
    () => `${name} proposes ${proposals.length} of ${view.trialsLeft} trials`,
  );
  const seen = new Set<string>();
  for (const { task, tile } of proposals) {
    const of = view.tasks[task];
    assert(of !== undefined, () => `${name} proposes task ${task} of ${view.tasks.length}`);
    const key = tileKey(tile);
    assert(of.space.valid(tile), () => `${name} proposes ${key}, which is not valid`);
    const again = seen.has(`${task} ${key}`) || of.trials.some((t) => tileKey(t.tile) === key);
    assert(!again, () => `${name} proposes ${key} again`);
    seen.add(`${task} ${key}`);
  }
}

/** The tuner's choice for each task. */
export function chosenTiles(tuner: Tuner, view: TuningView): readonly LinearTile[] {
  if (tuner.choose !== undefined) return tuner.choose(view);
  return view.tasks.map(({ space, trials }) => {
    const best = bestTrial(trials);
    return best !== undefined && best.relative < 1 ? best.tile : space.analytical;
  });
}

/** Tiles for calls of up to so many tokens, as one schedule; equal neighbours become one case. */
export function scheduleOf(tiles: readonly { readonly until: number; readonly tile: LinearTile }[]): LinearSchedule {
  const sorted = tiles.toSorted((a, b) => a.until - b.until);
  const cases = sorted.filter(({ tile }, i) => {
    const next = sorted[i + 1];
    return next === undefined || tileKey(next.tile) !== tileKey(tile);
  });
  const rest = cases.pop();
  assert(rest !== undefined, () => "a schedule of no tiles");
  return { cases, rest: rest.tile };
}
