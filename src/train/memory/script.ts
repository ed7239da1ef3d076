/**
 * A plan written out: which units run in which order, the repeated ones included, and what happens to tensors around each run.
 *
 * A tensor's memory is free as soon as nothing reads it before it is written again. So a drop needs no action of its own: where a
 * producer runs again, what it wrote before is dead since its last use.
 */
import { assert } from "../../core/errors.ts";
import type { Drop, Encode, In, MemoryPlan, MemoryView, Out, TensorId, UnitId } from "../memory.ts";

export interface ScriptRun {
  readonly unit: UnitId;
  /** It repeats an earlier run. */
  readonly again: boolean;
  /** In the order of the plan; they begin with this run. */
  readonly ins: readonly In[];
  /** Copies out that begin with it or after it. */
  readonly outs: readonly Out[];
  readonly encodings: readonly Encode[];
  /** Dead after it. */
  readonly frees: readonly TensorId[];
}

export interface Script {
  readonly runs: readonly ScriptRun[];
  /** For each tensor the places in `runs` that read it, ascending. */
  readonly readers: readonly (readonly number[])[];
}

interface Run {
  readonly unit: UnitId;
  readonly again: boolean;
  /** The first run that is there for this unit's sake. */
  readonly leads: number;
}

export function scriptOf(view: MemoryView, plan: MemoryPlan): Script {
  const sequence = new Sequence(view, plan).runs;
  const readers = view.tensors.map((): number[] => []);
  const lives = liveness(view, sequence, readers);
  const insOf = groupBy(plan.ins, (i) => i.at);
  const outsOf = groupBy(plan.outs, (o) => o.at);
  const encodingsOf = groupBy(plan.encodings, (e) => e.after);
  const ins = sequence.map((): readonly In[] => []);
  for (const { unit, again, leads } of sequence) {
    // What a unit fetches begins with the first run that is made for it.
    if (!again) ins[leads] = [...ins[leads]!, ...(insOf.get(unit) ?? [])];
  }
  const runs = sequence.map(({ unit, again }, at): ScriptRun => {
    const outs = again ? [] : (outsOf.get(unit) ?? []);
    const encodings = again ? [] : (encodingsOf.get(unit) ?? []);
    return { unit, again, ins: ins[at]!, outs, encodings, frees: lives[at]! };
  });
  return { runs, readers };
}

/** The order of runs: each unit once in the plan's order, led by what must be computed again for it. */
class Sequence {
  readonly #view: MemoryView;
  readonly runs: Run[] = [];
  readonly #dropOf: ReadonlyMap<TensorId, Drop>;
  readonly #missing = new Set<TensorId>();
  readonly #replaced = new Set<TensorId>();
  /** Computed again for the unit at hand, and not to stay. */
  #passing: TensorId[] = [];

  constructor(view: MemoryView, plan: MemoryPlan) {
    this.#view = view;
    this.#dropOf = new Map(plan.drops.map((drop) => [drop.tensor, drop]));
    const dropsAfter = groupBy(plan.drops, (drop) => drop.after);
    for (const unit of plan.order ?? view.units.keys()) {
      const leads = this.runs.length;
      for (const t of view.units[unit]!.reads) this.#restore(t, leads);
      this.runs.push({ unit, again: false, leads });
      for (const t of this.#passing) this.#missing.add(t);
      this.#passing = [];
      for (const { tensor } of dropsAfter.get(unit) ?? []) this.#missing.add(tensor);
      for (const t of view.units[unit]!.writes) {
        const { replaces } = view.tensors[t]!;
        if (replaces !== undefined) this.#replaced.add(replaces);
      }
    }
  }

  #restore(tensor: TensorId, leads: number): void {
    if (!this.#missing.has(tensor)) return;
    const unit = this.#view.tensors[tensor]!.producer!;
    const { reads, writes } = this.#view.units[unit]!;
    for (const t of reads) {
      assert(!this.#replaced.has(t), () => `${this.#view.units[unit]!.name} is to run again, but what it read is gone`);
      this.#restore(t, leads);
    }
    this.runs.push({ unit, again: true, leads });
    for (const t of writes) {
      if (!this.#missing.delete(t)) continue;
      if (!this.#dropOf.get(t)!.stays) this.#passing.push(t);
    }
  }
}

/** What is dead after each run; fills in who reads what. */
function liveness(view: MemoryView, runs: readonly Run[], readers: number[][]): readonly (readonly TensorId[])[] {
  const frees = runs.map((): TensorId[] => []);
  /** Read, or an output, and not written before; going backwards. */
  const wanted = new Set(
    [...view.tensors.keys()].filter((t) => view.tensors[t]!.output || view.tensors[t]!.producer === undefined),
  );
  for (let at = runs.length - 1; at >= 0; at--) {
    const { reads, writes } = view.units[runs[at]!.unit]!;
    for (const t of new Set([...reads, ...writes])) if (!wanted.has(t)) frees[at]!.push(t);
    for (const t of writes) wanted.delete(t);
    for (const t of new Set(reads)) {
      wanted.add(t);
      readers[t]!.push(at);
    }
  }
  for (const list of readers) list.reverse();
  return frees;
}

function groupBy<T>(all: readonly T[], keyOf: (item: T) => number): ReadonlyMap<number, readonly T[]> {
  const groups = new Map<number, T[]>();
  for (const item of all) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}
