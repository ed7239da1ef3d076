/**
 * Virtual execution units carry out a launch plan as the launch loop does: each walks the list, waits for tasks before it,
 * and claims chunks. What work, claims, waits and native calls take is given, so plans are compared without a machine.
 *
 *     plan, seconds of each call ──► units in order of their time ──► makespan, waits, utilisation
 */
import { type LaunchPlan, type LaunchView, launchSeconds, type Task } from "../compile/launch.ts";
import { assert } from "../core/errors.ts";

export interface Simulated {
  readonly nativeCalls: number;
  /** Times that a unit had to make sure that others had come so far, at a task or at a barrier. */
  readonly waits: number;
  readonly seconds: number;
  /** Of all units' time, the part in which they computed. */
  readonly utilisation: number;
}

interface Unit {
  readonly index: number;
  now: number;
  place: number;
  /** Whether the waits of the task at hand are behind it. */
  entered: boolean;
  /** Parts of the task at hand that it computes until `now`. */
  computing: number;
  blocked: boolean;
}

interface Progress {
  claimed: number;
  readonly parts: number;
  remaining: number;
  doneAt: number;
  arrived: number;
}

/** Chunks that a unit claims of a task that all share, as in the launch list. */
const claims = 8;

class Simulation {
  readonly #view: LaunchView;
  readonly #plan: LaunchPlan;
  readonly #units: readonly Unit[];
  readonly #progress: readonly Progress[];
  #waits = 0;

  constructor(view: LaunchView, plan: LaunchPlan) {
    this.#view = view;
    this.#plan = plan;
    this.#units = Array.from({ length: view.threads }, (_, index) => {
      return { index, now: launchSeconds.nativeCall, place: 0, entered: false, computing: 0, blocked: false };
    });
    this.#progress = plan.map(({ call, from, to }) => {
      const parts = Math.round((to - from) * view.calls[call]!.parts);
      return { claimed: 0, parts, remaining: parts, doneAt: 0, arrived: 0 };
    });
  }

  run(): Simulated {
    for (;;) {
      const running = this.#units.filter((u) => !u.blocked && u.place < this.#plan.length);
      const [first] = running.sort((a, b) => a.now - b.now);
      if (first === undefined) break;
      this.#advance(first);
    }
    assert(
      this.#units.every((u) => !u.blocked),
      () => "units wait for each other for good",
    );
    const seconds = Math.max(...this.#units.map((u) => u.now));
    const work = this.#view.calls.reduce((n, c) => n + c.seconds, 0);
    return {
      nativeCalls: 1 + this.#plan.slice(0, -1).filter((t) => t.cut).length,
      waits: this.#waits,
      seconds,
      utilisation: work / (seconds * this.#units.length),
    };
  }

  #advance(unit: Unit): void {
    const task = this.#plan[unit.place]!;
    const progress = this.#progress[unit.place]!;
    if (unit.computing > 0) this.#finish(unit, progress);
    if ((task.thread ?? unit.index) !== unit.index || progress.claimed === progress.parts)
      this.#pass(unit, task, progress);
    else if (unit.entered || this.#enter(unit, task)) this.#claim(unit, task, progress);
  }

  #finish(unit: Unit, progress: Progress): void {
    progress.remaining -= unit.computing;
    unit.computing = 0;
    if (progress.remaining > 0) return;
    progress.doneAt = unit.now;
    for (const other of this.#units) {
      // Whoever is blocked looks again; those at a barrier are let go by the last to come.
      const at = this.#plan[other.place];
      if (!other.blocked || at === undefined || !at.after.some((t) => this.#progress[t] === progress)) continue;
      other.blocked = false;
      other.now = Math.max(other.now, unit.now);
    }
  }

  #enter(unit: Unit, task: Task): boolean {
    unit.blocked = task.after.some((t) => this.#progress[t]!.remaining > 0);
    if (unit.blocked) return false;
    unit.entered = true;
    if (this.#units.length === 1) return true;
    this.#waits += task.after.length;
    for (const t of task.after) unit.now = Math.max(unit.now, this.#progress[t]!.doneAt + launchSeconds.event);
    return true;
  }

  #claim(unit: Unit, { call, thread }: Task, progress: Progress): void {
    const { parts, seconds } = this.#view.calls[call]!;
    const share =
      thread === undefined ? Math.max(1, Math.floor(progress.parts / (this.#units.length * claims))) : parts;
    unit.computing = Math.min(share, progress.parts - progress.claimed);
    progress.claimed += unit.computing;
    unit.now += launchSeconds.claim + (seconds * unit.computing) / parts;
  }

  #pass(unit: Unit, { barrier, cut }: Task, progress: Progress): void {
    unit.entered = false;
    if (!barrier && !cut) {
      unit.place++;
      return;
    }
    progress.arrived++;
    unit.blocked = true;
    if (this.#units.length > 1) this.#waits++;
    if (progress.arrived < this.#units.length) return;
    const more = cut && unit.place < this.#plan.length - 1;
    const crossing = this.#units.length > 1 ? launchSeconds.event : 0;
    const after = Math.max(...this.#units.map((u) => u.now)) + crossing + (more ? launchSeconds.nativeCall : 0);
    for (const u of this.#units) {
      u.now = after;
      u.blocked = false;
      u.place++;
    }
  }
}

export const simulateLaunch = (view: LaunchView, plan: LaunchPlan): Simulated => new Simulation(view, plan).run();
