/**
 * Plans in slots of time, counted from now: what is free in each, and what a job takes of it to meet its deadline. The last slots
 * before a deadline are filled first, as ElasticFlow's published simulator does.
 */
import { Steps } from "../core/steps.ts";
import type { Seconds } from "../time/clock.ts";
import type { Need } from "./forecast.ts";

/** GPUs in slots `from` up to `to`, which is not included. */
export interface SlotPiece {
  readonly from: number;
  readonly to: number;
  readonly gpus: number;
}

export interface SlotPlan {
  readonly pieces: readonly SlotPiece[];
  /** Seconds from now until the work ends: whole ones, but not whole slots. */
  readonly seconds: Seconds;
  /** Where its last size is counted to as a cost: the next change of what is free before the deadline, else its end. */
  readonly counted: number;
}

type Rated = Need["sizes"][number];

/** What a walk over periods has come to. */
interface Walk {
  readonly pieces: SlotPiece[];
  left: number;
}

export const slotsUntilEnd = ({ pieces }: SlotPlan): number => pieces.at(-1)?.to ?? 0;

/** GPU-slots that a plan costs. */
export const costOf = ({ pieces, counted }: SlotPlan): number =>
  pieces.reduce((sum, { from, to, gpus }, i) => sum + ((i === pieces.length - 1 ? counted : to) - from) * gpus, 0);

export const gpusAt = ({ pieces }: SlotPlan, slot: number): number =>
  pieces.find(({ from, to }) => from <= slot && slot < to)?.gpus ?? 0;

/** The first slot after this one in which the plan gives another number of GPUs; its end is none. */
export function nextSize(plan: SlotPlan): number | undefined {
  const now = gpusAt(plan, 0);
  let at = 0;
  for (const { from, to, gpus } of plan.pieces) {
    if (from > at) return now === 0 ? from : at;
    if (gpus !== now) return from;
    at = to;
  }
  return undefined;
}

export class SlotForecast {
  readonly #slot: Seconds;
  /** By slot. */
  readonly #free: Steps;

  constructor(slot: Seconds, gpus: number | Steps) {
    this.#slot = slot;
    this.#free = typeof gpus === "number" ? new Steps(0, gpus) : gpus;
  }

  get freeNow(): number {
    return this.#free.values[0]!;
  }

  /** The same without these pieces taken. */
  without({ pieces }: SlotPlan): SlotForecast {
    const free = this.#free.copy();
    for (const { from, to, gpus } of pieces) free.add(from, to, gpus);
    free.merge();
    return new SlotForecast(this.#slot, free);
  }

  take({ pieces }: SlotPlan): void {
    for (const { from, to, gpus } of pieces) this.#free.add(from, to, -gpus);
    this.#free.merge();
  }

  /**
   * The smallest size that meets the deadline if it is held in the last slots, and the next smaller one in slots before those; of
   * which the job uses as many as it needs, from now on. Where no size does, the largest that is free in each slot until the end.
   * Deadlines are seconds from now.
   */
  minimumShare({ work, deadline, sizes }: Need): SlotPlan {
    return this.#share({ pieces: [], left: work }, 0, deadline, sizes);
  }

  /** With `gpus` now, until what is free changes, and with the minimum share from then on. */
  startingWith(gpus: number, { work, deadline, sizes }: Need): SlotPlan {
    const due = this.#slotOf(deadline);
    const { times, values } = this.#free;
    const change = values.findIndex((free) => free !== values[0]);
    const next = change === -1 ? Math.max(1, due) : times[change]!;
    const { rate } = sizes.find((size) => size.gpus === gpus)!;
    const seconds = Math.ceil(work / rate);
    const end = this.#slotOf(seconds);
    if (end <= next && seconds <= deadline) return { pieces: [{ from: 0, to: end, gpus }], seconds, counted: end };
    const held = next === due ? deadline : next * this.#slot;
    return this.#share(
      { pieces: [{ from: 0, to: next, gpus }], left: Math.max(work - held * rate, Number.MIN_VALUE) },
      next,
      deadline,
      sizes,
    );
  }

  #share(walk: Walk, from: number, deadline: Seconds, sizes: readonly Rated[]): SlotPlan {
    const due = this.#slotOf(deadline);
    for (let level = 0; level < sizes.length; level++) {
      const point = this.#latest(walk.left, level, from, deadline, sizes);
      if (point === undefined) continue;
      const seconds = this.#walk(walk, from, due, deadline, sizes, (slot) => (slot < point ? level - 1 : level));
      if (seconds !== undefined) return this.#plan(walk, seconds, due);
    }
    const widest = (): number => sizes.length - 1;
    const seconds =
      this.#walk(walk, from, due, deadline, sizes, widest) ??
      this.#walk(walk, Math.max(due, from), Number.POSITIVE_INFINITY, deadline, sizes, widest);
    return this.#plan(walk, seconds ?? Number.POSITIVE_INFINITY, due);
  }

  #plan({ pieces }: Walk, seconds: Seconds, due: number): SlotPlan {
    const { from, to } = pieces.at(-1)!;
    const change = this.#free.times.find((time) => time > from && time >= to && time < due);
    return { pieces, seconds, counted: change ?? to };
  }

  /** The slot from which this size suffices when it is held until the deadline. */
  #latest(work: number, level: number, from: number, deadline: Seconds, sizes: readonly Rated[]): number | undefined {
    const due = this.#slotOf(deadline);
    const { times } = this.#free;
    let got = 0;
    for (let i = times.length - 1; i >= 0; i--) {
      const begin = Math.max(times[i]!, from);
      if (begin >= due) continue;
      if ((times[i + 1] ?? due) <= from) return undefined;
      const size = this.#fitting(i, level, sizes);
      if (size === undefined) continue;
      const end = times[i + 1] ?? due;
      const until = end >= due ? deadline : end * this.#slot;
      got += (until - begin * this.#slot) * size.rate;
      if (got >= work) return begin;
    }
    return undefined;
  }

  /** Does work in the periods between two slots; seconds until it ended, undefined where it did not. */
  #walk(
    walk: Walk,
    from: number,
    to: number,
    deadline: Seconds,
    sizes: readonly Rated[],
    level: (slot: number) => number,
  ): Seconds | undefined {
    const due = this.#slotOf(deadline);
    const { times } = this.#free;
    for (const [i, time] of times.entries()) {
      const begin = Math.max(time, from);
      const end = Math.min(times[i + 1] ?? Number.POSITIVE_INFINITY, to);
      if (begin >= end) continue;
      const size = this.#fitting(i, level(begin), sizes);
      if (size === undefined) continue;
      const until = end === due ? deadline : end * this.#slot;
      const done = (until - begin * this.#slot) * size.rate;
      if (done >= walk.left) {
        const seconds = Math.ceil(walk.left / size.rate);
        walk.pieces.push({ from: begin, to: begin + this.#slotOf(seconds), gpus: size.gpus });
        return begin * this.#slot + seconds;
      }
      walk.left -= done;
      walk.pieces.push({ from: begin, to: end, gpus: size.gpus });
    }
    return undefined;
  }

  /** The largest size up to a level that is free in a period. */
  #fitting(period: number, level: number, sizes: readonly Rated[]): Rated | undefined {
    const free = this.#free.values[period]!;
    for (let i = Math.min(level, sizes.length - 1); i >= 0; i--) if (sizes[i]!.gpus <= free) return sizes[i]!;
    return undefined;
  }

  /** Slots that so many seconds reach into. */
  #slotOf(seconds: Seconds): number {
    return Math.ceil(seconds / this.#slot);
  }
}
