/**
 * TASO's generator: graphs that compute the same, in pairs.
 *
 * Graphs that could be equal are those whose outputs agree when all variables hold the same matrix, whatever their names. Within
 * such a class the variables of one are matched to those of the other in every way, over different matrices. What is
 * left is checked over other shapes and values, proved from axioms, and kept if no smaller substitution says it.
 */
import { evaluate, type Matrix, origins, type Pattern, type Substitution } from "./algebra.ts";
import { enumerate, plain, type Space, wide } from "./enumerate.ts";
import { proves } from "./prove.ts";
import { mostGeneral } from "./prune.ts";
import { fingerprint } from "./random-matrix.ts";
import { verify } from "./verify.ts";

export interface Generated {
  readonly graphs: number;
  /** Pairs that agree on random inputs; of these, those that hold over other shapes too; of these, those proved. */
  readonly candidates: number;
  readonly verified: number;
  readonly proved: number;
  /** Of the proved, those that no other says. */
  readonly general: readonly Substitution[];
}

export function generate(spaces: readonly Space[]): Generated {
  const classes = new Map<string, Pattern[]>();
  let graphs = 0;
  for (const space of spaces) {
    enumerate(space, (graph, collapsed) => {
      graphs++;
      const key = graph.outputs
        .map((o) => fingerprint(collapsed[o]!))
        .sort()
        .join();
      const trimmed = withoutUnused(graph);
      const known = classes.get(key);
      if (known === undefined) classes.set(key, [trimmed]);
      else known.push(trimmed);
    });
  }
  let [candidates, verified] = [0, 0];
  const proved = new Map<string, Substitution>();
  for (const members of classes.values()) {
    for (const pair of pairs(members)) {
      candidates++;
      if (!verify(pair)) continue;
      verified++;
      if (proves(pair)) proved.set(JSON.stringify(pair), pair);
    }
  }
  return { graphs, candidates, verified, proved: proved.size, general: mostGeneral([...proved.values()]) };
}

/** Variables that no step uses are dropped, and the tensors renumbered. */
function withoutUnused(graph: Pattern): Pattern {
  const used = new Set(graph.steps.flatMap((s) => s.inputs));
  const kept = Array.from({ length: graph.variables }, (_, v) => v).filter((v) => used.has(v));
  const renumbered = (t: number): number => (t < graph.variables ? kept.indexOf(t) : t - graph.variables + kept.length);
  return {
    variables: kept.length,
    cut: graph.cut.filter((v) => used.has(v)).map(renumbered),
    steps: graph.steps.map(({ op, inputs }) => ({ op, inputs: inputs.map(renumbered) })),
    outputs: graph.outputs.map(renumbered),
  };
}

/** All pairs of a class that agree under some naming of the second's variables, less those that a smaller pair says. */
function* pairs(members: readonly Pattern[]): Iterable<Substitution> {
  for (const source of members) {
    const values = valuesOf(source);
    const a = evaluate(source, values)!;
    const prints = a.map(fingerprint);
    for (const other of members) {
      if (other.variables !== source.variables || `${other.cut}` !== `${source.cut}`) continue;
      for (const naming of namings(source)) {
        const b = evaluate(
          other,
          naming.map((v) => values[v]!),
        );
        if (b === undefined) continue;
        const target = renamed(other, naming);
        const order = matching(source, target, prints, evaluate(target, values)!.map(fingerprint));
        if (order === undefined) continue;
        const pair = { source, target: { ...target, outputs: order } };
        if (isRedundant(pair, prints, evaluate(pair.target, values)!.map(fingerprint))) continue;
        yield pair;
        break;
      }
    }
  }
}

const valuesOf = ({ variables, cut }: Pattern): Matrix[] =>
  Array.from({ length: variables }, (_, v) => (cut.includes(v) ? wide(v) : plain(v)));

/** Permutations of the variables that keep cut ones cut. */
function namings({ variables, cut }: Pattern): number[][] {
  const extend = (chosen: readonly number[]): number[][] => {
    if (chosen.length === variables) return [[...chosen]];
    const free = Array.from({ length: variables }, (_, v) => v).filter(
      (v) => !chosen.includes(v) && cut.includes(v) === cut.includes(chosen.length),
    );
    return free.flatMap((v) => extend([...chosen, v]));
  };
  return extend([]);
}

function renamed(pattern: Pattern, naming: readonly number[]): Pattern {
  const name = (t: number): number => naming[t] ?? t;
  return {
    ...pattern,
    steps: pattern.steps.map(({ op, inputs }) => {
      const named = inputs.map(name);
      return { op, inputs: op === "add" || op === "mul" ? named.sort((x, y) => x - y) : named };
    }),
  };
}

/** The target's outputs in the order of the source's, by what they computed. */
function matching(source: Pattern, target: Pattern, a: readonly string[], b: readonly string[]): number[] | undefined {
  const free = [...target.outputs];
  const order: number[] = [];
  for (const o of source.outputs) {
    const at = free.findIndex((t) => b[t] === a[o]);
    if (at < 0) return undefined;
    order.push(...free.splice(at, 1));
  }
  return free.length === 0 ? order : undefined;
}

/**
 * TASO, §3.3: what both sides make of the variables alike could be a variable, and what both make alike of the same tensors at the
 * end follows from a substitution of those tensors.
 */
function isRedundant({ source, target }: Substitution, a: readonly string[], b: readonly string[]): boolean {
  const shared = source.steps.some(
    (s) =>
      s.inputs.every((i) => i < source.variables) &&
      target.steps.some((t) => t.op === s.op && `${t.inputs}` === `${s.inputs}`),
  );
  if (shared) return true;
  const [from, to] = [origins(source), origins(target)];
  return source.outputs.some((o, i) => {
    const [x, y] = [from[o], to[target.outputs[i]!]];
    if (x === undefined || y === undefined || x.step.op !== y.step.op || x.part !== y.part) return false;
    const [p, q] = [x.step.inputs.map((k) => a[k]!), y.step.inputs.map((k) => b[k]!)];
    return `${p}` === `${q}` || ((x.step.op === "add" || x.step.op === "mul") && `${p}` === `${q.toReversed()}`);
  });
}
