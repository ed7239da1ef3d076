/** rTasks on virtual execution units: the items of calls that can run together are placed on threads at compile time. */
import { type LaunchCall, launch, launchSeconds, type Task } from "../launch.ts";
import { withoutImplied } from "../launch-order.ts";

interface Unit {
  readonly thread: number;
  /** When it could begin with the call at hand. */
  readonly start: number;
}

export default launch({
  title: "Rammer",
  paper: {
    title: "Rammer: Enabling Holistic Deep Learning Compiler Optimizations with rTasks",
    venue: "OSDI 2020",
    url: "https://www.usenix.org/conference/osdi20/presentation/ma",
  },
  rows: ["rammer"],
  idea: "Take the calls in waves of those whose predecessors are placed, give each the virtual execution units on which it ends first, as one range of items a unit, and let a unit wait only for the tasks of others that it needs.",
  differs: [
    "A unit is a native thread (paper: a persistent thread block), and what a task costs is estimated (paper: profiled).",
    "Between the fastest and the most efficient kernel it chooses how many units a call gets: kernels do not differ in that.",
    "A wait is for the tasks of other units that a task needs and does not yet know to be done (paper: barrier-rTasks).",
  ],
  options: {},
  claim: {
    metric: "utilisation4",
    better: "higher",
    than: "conflict-barrier",
    on: "branchy",
    factor: 1.5,
    where: "sim",
  },

  create() {
    return {
      plan({ calls, threads }) {
        const free = new Array<number>(threads).fill(0);
        const tasks: Task[] = [];
        const placed = calls.map((): number[] => []);
        const ends: number[] = [];
        for (const wave of waves(calls)) {
          for (const call of wave) {
            const { after, seconds, parts } = calls[call]!;
            const needed = after.flatMap((e) => placed[e]!);
            const units = free.map((at, thread) => {
              const known = needed.map((t) => ends[t]! + (tasks[t]!.thread === thread ? 0 : launchSeconds.event));
              return { thread, start: Math.max(at, ...known) };
            });
            for (const { unit, from, to, end } of divide(units, seconds, parts)) {
              placed[call]!.push(tasks.length);
              tasks.push({ call, from, to, thread: unit.thread, after: needed, barrier: false, cut: false });
              ends.push(end);
              free[unit.thread] = end;
            }
          }
        }
        return withoutImplied(tasks, threads);
      },
    };
  },
});

/** §4.2: a wave holds the calls whose predecessors are all in waves before it, the longest first. */
function waves(calls: readonly LaunchCall[]): readonly number[][] {
  const depths: number[] = [];
  const out: number[][] = [];
  for (const [call, { after }] of calls.entries()) {
    const depth = after.reduce((most, e) => Math.max(most, depths[e]! + 1), 0);
    depths.push(depth);
    out[depth] ??= [];
    out[depth].push(call);
  }
  return out.map((wave) => wave.sort((a, b) => calls[b]!.seconds - calls[a]!.seconds));
}

interface Range {
  readonly unit: Unit;
  readonly from: number;
  readonly to: number;
  readonly end: number;
}

/** The call on as many units as make it end first: each gets what lets all of them end together, in whole parts. */
function divide(units: readonly Unit[], seconds: number, parts: number): readonly Range[] {
  const earliest = units.toSorted((a, b) => a.start - b.start);
  let best: { readonly count: number; readonly end: number } | undefined;
  let starts = 0;
  for (const [i, { start }] of earliest.entries()) {
    starts += start;
    const end = (starts + seconds) / (i + 1);
    if (end < start || i >= parts) break;
    // Whatever follows a call on several units waits for the others.
    const cost = end + (i === 0 ? 0 : launchSeconds.event);
    if (best === undefined || cost < best.end) best = { count: i + 1, end: cost };
  }
  const chosen = earliest.slice(0, best?.count ?? 1);
  const common = (chosen.reduce((n, u) => n + u.start, 0) + seconds) / chosen.length;
  let taken = 0;
  return chosen.map((unit, i) => {
    const left = chosen.length - 1 - i;
    const wished = Math.round(((common - unit.start) / Math.max(seconds, 1e-12)) * parts);
    const count = left === 0 ? parts - taken : Math.max(1, Math.min(wished, parts - taken - left));
    const from = taken / parts;
    taken += count;
    return { unit, from, to: taken / parts, end: unit.start + (seconds * count) / parts };
  });
}
