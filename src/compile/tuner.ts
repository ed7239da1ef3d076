/**
 * Tuning: which tile to measure next, of the products of a model.
 *
 * A tuner sees all that has been measured, and nothing else: so a search that was interrupted continues from its records
 * where it was. Times are relative to the analytical choice, measured beside it: machines are busy by turns, and what was
 * measured yesterday must compare with today.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Seconds } from "../time/clock.ts";
import type { LinearTile } from "./schedule/linear.ts";
import type { Space } from "./schedule/space.ts";
import { tunerIndex } from "./tuner.index.ts";

export interface Trial {
  readonly tile: LinearTile;
  /** Seconds over those of the analytical choice. */
  readonly relative: number;
}

export interface TaskView {
  /** What may be chosen: knobs, validity, features for a cost model. */
  readonly space: Space;
  /** How often a step computes this product. */
  readonly times: number;
  /** Of the analytical choice; undefined until something was measured. */
  readonly seconds: Seconds | undefined;
  /** Oldest first. */
  readonly trials: readonly Trial[];
}

export interface TuningView {
  readonly tasks: readonly TaskView[];
  /** How many more may be measured, of all tasks together. */
  readonly trialsLeft: number;
  /** What draws begin with: the same view gives the same proposals. */
  readonly seed: number;
}

export interface Proposal {
  /** Index of a task. */
  readonly task: number;
  /** Valid in the task's space, and not measured yet. */
  readonly tile: LinearTile;
}

/** Decides, and does nothing else: no clock, no randomness but draws of the view's seed, no input or output. */
export interface Tuner {
  /** What to measure next, at most `trialsLeft`; empty to end the search. */
  propose(view: TuningView): readonly Proposal[];
  /** The tile for each task; without it the best that was measured, or the analytical one where none was better. */
  choose?(view: TuningView): readonly LinearTile[];
}

export const tuners = slot<Tuner>("compile/tuner", tunerIndex);

/** Types an entry, and returns it unchanged. */
export const tuner = <const O extends Options>(entry: Entry<Tuner, O>): Entry<Tuner, O> => entry;

/** The fastest that was measured; ties go to the older. */
export function bestTrial(trials: readonly Trial[]): Trial | undefined {
  return trials.reduce<Trial | undefined>(
    (best, trial) => (best === undefined || trial.relative < best.relative ? trial : best),
    undefined,
  );
}

/** The task with the fewest trials: each gets its turn. */
export function nextInTurn(tasks: readonly TaskView[]): number {
  return tasks.reduce((least, { trials }, i) => (trials.length < tasks[least]!.trials.length ? i : least), 0);
}
