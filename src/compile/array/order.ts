/** In which order the loops of a nest run, which of them runs along vectors, and which are work items. */
import type { NodeId } from "../../graph/ir.ts";
import { formsOf, type Nest, type Value } from "./nest.ts";

export interface LoopOrder {
  /** The first `items` of these loops make up work items; the vector loop is not among them. */
  readonly outer: readonly number[];
  readonly items: number;
  /** Undefined for a nest without loops. */
  readonly vector: number | undefined;
}

/** Elements that a work item should have, so that finding its place costs little. */
const itemElements = 1024;

export function orderOf(nest: Nest): LoopOrder {
  const { loops } = nest;
  const vector = vectorLoop(nest);
  const others = loops.map((_, j) => j).filter((j) => j !== vector);
  const outer = [...others.filter((j) => !loops[j]!.reduced), ...others.filter((j) => loops[j]!.reduced)];
  const kept = outer.filter((j) => !loops[j]!.reduced).length;
  let rest = loops.reduce((n, { extent }) => n * extent, 1);
  let items = 0;
  while (items < kept && (items === 0 || rest > itemElements)) rest /= loops[outer[items++]!]!.extent;
  return { outer, items, vector };
}

/** The loop along which most places are next to each other; of equals the innermost. */
function vectorLoop(nest: Nest): number | undefined {
  const { loops } = nest;
  if (loops.length === 0) return undefined;
  const places = formsOf(nest);
  const stores = new Set(nest.stores.map((s) => s.form));
  const score = (j: number): number => {
    const { extent, reduced } = loops[j]!;
    let sum = 0;
    for (const form of places) {
      const term = Math.abs(form.terms[j]!);
      const stored = stores.has(form);
      // Of a reduction few elements are stored, and many are loaded.
      if (stored && (reduced || nest.fn !== undefined)) continue;
      sum += term === 1 ? (stored ? 3 : 2) : term === 0 ? 1 : 0;
    }
    // Few turns leave most of a vector unused.
    return sum * Math.min(1, extent / 16);
  };
  const scores = loops.map((_, j) => score(j));
  let best = loops.length - 1;
  for (let j = best - 1; j >= 0; j--) if (scores[j]! > scores[best]!) best = j;
  return best;
}

/** Arrays that a nest reads, in order of first use. */
export function loadsOf(nest: Nest): Extract<Value, { kind: "load" }>[] {
  const loads: Extract<Value, { kind: "load" }>[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.kind === "load") loads.push(value);
    if (value.kind === "local") value.inputs.forEach(visit);
  };
  for (const { value } of nest.stores) visit(value);
  return loads;
}

/** Arrays that a nest reads or writes: its kernel's parameters, in order. */
export const arraysOf = (nest: Nest): readonly NodeId[] => [
  ...new Set([...loadsOf(nest).map((l) => l.node), ...nest.stores.map((s) => s.node)]),
];

/** The nest with arrays as numbers, and each expression said once: nests that are alike become equal. */
export function numbered(nest: Nest, numbers: ReadonlyMap<NodeId, number>): unknown {
  const known = new Map<Value, number>();
  const said: unknown[] = [];
  const say = (value: Value): number => {
    const at = known.get(value);
    if (at !== undefined) return at;
    const whole =
      value.kind === "load"
        ? { ...value, node: numbers.get(value.node) }
        : value.kind === "local"
          ? { ...value, inputs: value.inputs.map(say) }
          : value;
    known.set(value, said.push(whole) - 1);
    return said.length - 1;
  };
  const stores = nest.stores.map((s) => ({ ...s, node: numbers.get(s.node), value: say(s.value) }));
  return { ...nest, stores, said };
}
