/** One search of `heddle tune`: all products of a class of steps together, measured on a device, recorded as they come. */
import type { LinearTile } from "../compile/schedule/linear.ts";
import type { tokenClasses } from "../compile/schedule/records.ts";
import { type Space, tileKey } from "../compile/schedule/space.ts";
import { chosenTiles, tune } from "../compile/tune.ts";
import { bestTrial, type Trial, type Tuner, type TuningView } from "../compile/tuner.ts";
import type { Device } from "../device/device.ts";
import type { TileBench } from "../device/measure-tiles.ts";
import type { Seconds } from "../time/clock.ts";
import { say, sayOver } from "./terminal.ts";
import { appendRecords, processor, recordsFor } from "./tuning.ts";

export interface KernelTask {
  readonly kernel: string;
  readonly times: number;
  readonly space: Space;
}

export interface TunedKernel {
  readonly kernel: string;
  readonly times: number;
  readonly trials: number;
  readonly analyticalSeconds: Seconds;
  readonly tunedSeconds: Seconds;
  readonly tile: string;
}

export interface Tuned {
  readonly name: string;
  /** After each trial: seconds of all products with the best so far, over those of the analytical choices. */
  readonly curve: readonly number[];
  readonly kernels: readonly TunedKernel[];
}

export interface SearchOptions {
  readonly name: string;
  readonly tuner: Tuner;
  /** Those of earlier runs included. */
  readonly trials: number;
  readonly stopped: () => boolean;
}

/** A trial is the least of so many runs; what was chosen is measured more often, since the luckiest of many trials is not the best. */
const rounds = { trial: 5, choice: 15 } as const;
/** Choices that are measured once more for each product. */
const finalists = 3;
/** A gain below this is noise. */
const gainMin = 0.01;

type TokenClass = (typeof tokenClasses)[number];

export async function tuneClass(
  { name, tuner, trials, stopped }: SearchOptions,
  { name: className, until: most }: TokenClass,
  tasks: readonly KernelTask[],
  { level, threads }: Pick<Device, "level" | "threads">,
  bench: TileBench,
): Promise<Tuned> {
  const until = Number.isFinite(most) ? most : null;
  const machine = { level, cpu: processor(), threads };
  const mine = recordsFor(level).filter((r) => r.threads === threads && r.until === until && !r.chosen);
  const known = tasks.map(({ kernel, space }) => {
    const trials = mine.filter((r) => r.kernel === kernel && space.valid(r.tile));
    return [...new Map(trials.map(({ tile, relative }) => [tileKey(tile), { tile, relative }])).values()];
  });
  const before = known.reduce((sum, each) => sum + each.length, 0);
  const all = Math.max(0, trials - before);
  if (before > 0) say(`${className}: ${before} trials are recorded, ${all} to go`);
  const curve: number[] = [];
  const onTrials = (task: number, found: readonly Trial[], view: TuningView): void => {
    const { kernel } = tasks[task]!;
    appendRecords(found.map((trial) => ({ ...machine, kernel, until, ...trial, chosen: false })));
    // Until each product was measured there is nothing to compare their sum with.
    if (view.tasks.every(({ seconds }) => seconds !== undefined))
      for (const _ of found) curve.push(Math.min(best(view), curve.at(-1) ?? 1));
    const leader = bestTrial(view.tasks[task]!.trials)!;
    const state = `${className} ${all - view.trialsLeft}/${all}: ${kernel} ${leader.relative.toFixed(3)}`;
    sayOver(`${state}, all ${best(view).toFixed(3)} of the analytical choice's time`);
  };
  const port = {
    measure: async (task: number, analytical: LinearTile, tiles: readonly LinearTile[]) => {
      const [first, ...rest] = await bench.measure(tasks[task]!.space, [analytical, ...tiles], rounds.trial);
      return { analytical: first!, tiles: rest };
    },
  };
  const view = await tune(name, tuner, tasks, port, { trials: all, seed: 1, known, onTrials, stopped });
  sayOver("");
  const chosen = chosenTiles(tuner, view);
  const kernels: TunedKernel[] = [];
  for (const [i, task] of tasks.entries()) {
    const winner = await confirm(task, chosen[i]!, view.tasks[i]!.trials, bench);
    const relative = winner.tunedSeconds / winner.analyticalSeconds;
    appendRecords([{ ...machine, kernel: task.kernel, until, tile: winner.tile, relative, chosen: true }]);
    const { kernel, times } = task;
    kernels.push({ ...winner, kernel, times, trials: view.tasks[i]!.trials.length, tile: tileKey(winner.tile) });
  }
  return { name: className, curve, kernels };
}

/** Of the tuner's choice, the best trials and the analytical choice the fastest, measured in turns, and twice if it is another. */
async function confirm(
  { space }: KernelTask,
  chosen: LinearTile,
  trials: readonly Trial[],
  bench: TileBench,
): Promise<{ readonly tile: LinearTile; readonly analyticalSeconds: Seconds; readonly tunedSeconds: Seconds }> {
  const best = trials.toSorted((a, b) => a.relative - b.relative).slice(0, finalists);
  const { analytical } = space;
  const tiles = new Map([analytical, chosen, ...best.map(({ tile }) => tile)].map((tile) => [tileKey(tile), tile]));
  const candidates = [...tiles.values()];
  const seconds = await bench.measure(space, candidates, rounds.choice);
  const least = seconds.reduce((at, s, i) => (s < seconds[at]! ? i : at), 0);
  const gains = (analytical: Seconds, tuned: Seconds): boolean => tuned < analytical * (1 - gainMin);
  if (!gains(seconds[0]!, seconds[least]!)) {
    return { tile: analytical, analyticalSeconds: seconds[0]!, tunedSeconds: seconds[0]! };
  }
  // Other programs may have had the processor whenever it was the analytical tile's turn: the gain must be seen again.
  const again = await bench.measure(space, [analytical, candidates[least]!], rounds.choice);
  const [before, after] = [Math.min(seconds[0]!, again[0]!), Math.min(seconds[least]!, again[1]!)];
  const holds = gains(again[0]!, again[1]!) && gains(before, after);
  return {
    tile: holds ? candidates[least]! : analytical,
    analyticalSeconds: before,
    tunedSeconds: holds ? after : before,
  };
}

/** Of what was measured so far; a product without trials counts with the analytical choice. */
function best({ tasks }: TuningView): number {
  let [now, analytical] = [0, 0];
  for (const { times, seconds = 0, trials } of tasks) {
    analytical += times * seconds;
    now += times * seconds * Math.min(1, bestTrial(trials)?.relative ?? 1);
  }
  return analytical === 0 ? 1 : now / analytical;
}
