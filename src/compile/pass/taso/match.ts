/**
 * Substitutions of the algebra on real graphs. A matrix product is a `linear` whose right operand is a matrix of parameters,
 * concatenated columns are stacked parameters there and `concat` elsewhere, and the halves of a split are slices.
 */
import { type Operator, origins, type Pattern, type Step, type Substitution } from "./algebra.ts";
import { Construction } from "./construct.ts";
import { isMirrored, symmetries } from "./symmetry.ts";
import { isMap, type Term, type TermId, type Terms } from "./term.ts";

/** A substitution that graphs can be searched for, and what its source binds. */
export interface Rule extends Substitution {
  /** Tensors of source and target that are parameters. */
  readonly right: { readonly source: ReadonlySet<number> };
  /** How many of each kind a graph must have for the source to be in it. */
  readonly needs: ReadonlyMap<string, number>;
  readonly symmetries: readonly (readonly number[])[];
}

const expressible: ReadonlySet<Operator> = new Set<Operator>(["matmul", "add", "mul", "map", "concat1", "split1"]);

/** `undefined` where the IR has no form for the substitution, with parameters on the right of each product. */
export function ruleOf({ source, target }: Substitution): Rule | undefined {
  if ([...source.steps, ...target.steps].some((s) => !expressible.has(s.op))) return undefined;
  const [left, right] = [sides(source), sides(target)];
  if (left === undefined || right === undefined) return undefined;
  for (let v = 0; v < source.variables; v++) {
    const [a, b] = [left.right.has(v), right.right.has(v)];
    const used = (p: Pattern): boolean => p.steps.some((s) => s.inputs.includes(v)) || p.outputs.includes(v);
    if (used(target) && (!used(source) || a !== b)) return undefined;
  }
  // Parameters are not taken apart again; and where the source shows no split, nothing says where a variable is cut.
  const stacked = source.steps.some((s) => s.op === "concat1" && s.inputs.some((i) => left.right.has(i)));
  const splits = source.steps.filter((s) => s.op === "split1");
  const cutSeen = source.cut.every((v) => splits.some((s) => reaches(source, s.inputs[0]!, v)));
  if (stacked || !cutSeen) return undefined;
  return {
    source,
    target,
    right: { source: left.right },
    needs: needsOf(source),
    symmetries: symmetries({ source, target }),
  };
}

function needsOf({ steps, outputs, variables }: Pattern): Map<string, number> {
  const needs = new Map<string, number>();
  const kinds = { matmul: "linear", add: "add", mul: "mul", map: "map", concat1: "concat" } as const;
  for (const { op } of steps) {
    const kind = op in kinds ? kinds[op as keyof typeof kinds] : undefined;
    if (kind !== undefined) needs.set(kind, (needs.get(kind) ?? 0) + 1);
  }
  const read = new Set([...steps.flatMap((s) => s.inputs), ...outputs]);
  const parts = origins({ variables, steps }).filter((o, t) => o?.step.op === "split1" && read.has(t)).length;
  return parts === 0 ? needs : needs.set("slice", parts);
}

/** Which tensors are parameters: the right operands, and what is concatenated to make them. */
function sides(pattern: Pattern): { readonly right: ReadonlySet<number> } | undefined {
  const right = new Set<number>();
  const from = origins(pattern);
  const mark = (tensor: number): boolean => {
    right.add(tensor);
    const origin = from[tensor];
    if (origin === undefined) return !pattern.cut.includes(tensor);
    return origin.step.op === "concat1" && origin.step.inputs.every(mark);
  };
  for (const { op, inputs } of pattern.steps) if (op === "matmul" && !mark(inputs[1]!)) return undefined;
  for (const [t, origin] of from.entries()) {
    const mixed = (origin?.step.inputs ?? []).some(
      (i, k) => right.has(i) && !right.has(t) && !(origin?.step.op === "matmul" && k === 1),
    );
    if (mixed || (right.has(t) && pattern.outputs.includes(t))) return undefined;
  }
  return { right };
}

function reaches(pattern: Pattern, tensor: number, variable: number): boolean {
  if (tensor === variable) return true;
  const step = origins(pattern)[tensor]?.step;
  return (
    step !== undefined &&
    step.op !== "matmul" &&
    step.op !== "concat1" &&
    step.inputs.some((i) => reaches(pattern, i, variable))
  );
}

export interface Binding {
  readonly tensors: ReadonlyMap<number, TermId>;
  readonly map?: "gelu" | "silu" | "relu";
  readonly cuts: ReadonlyMap<Step, number>;
}

/** The outputs that each application of the rule gives. */
export function applications(terms: Terms, outputs: readonly TermId[], rule: Rule): TermId[][] {
  const graph = terms.reachable(outputs);
  const has = new Map<string, number>();
  for (const { op } of graph) {
    const kind = isMap(op.kind) ? "map" : op.kind;
    has.set(kind, (has.get(kind) ?? 0) + 1);
  }
  for (const [kind, count] of rule.needs) if ((has.get(kind) ?? 0) < count) return [];
  const match = new Match(terms, rule);
  let bindings: Binding[] = [{ tensors: new Map(), cuts: new Map() }];
  for (const output of rule.source.outputs) {
    bindings = bindings.flatMap((b) =>
      b.tensors.has(output) ? [b] : graph.flatMap((term) => match.unify(output, term, b)),
    );
    if (bindings.length === 0) return [];
  }
  return bindings.flatMap((binding) => {
    if (rule.symmetries.some((naming) => isMirrored(binding.tensors, naming))) return [];
    const by = match.build(binding);
    return by === undefined ? [] : [terms.replace(outputs, by)];
  });
}

class Match {
  readonly #terms: Terms;
  readonly #rule: Rule;
  readonly #from: ReturnType<typeof origins>;

  constructor(terms: Terms, rule: Rule) {
    this.#terms = terms;
    this.#rule = rule;
    this.#from = origins(rule.source);
  }

  unify = (tensor: number, term: Term, b: Binding): Binding[] => {
    const bound = b.tensors.get(tensor);
    if (bound !== undefined) return bound === term.id ? [b] : [];
    const origin = this.#from[tensor];
    const next = { ...b, tensors: new Map(b.tensors).set(tensor, term.id) };
    if (origin === undefined) {
      const parameters = this.#rule.right.source.has(tensor);
      const value = term.op.kind !== "matrix" && term.type.dtype === "f32" && term.type.shape.length === 2;
      return (parameters ? term.op.kind === "matrix" : value) ? [next] : [];
    }
    const { step, part } = origin;
    const { op } = term;
    const inputs = (order: readonly number[]): Binding[] =>
      order.reduce((all, i, k) => all.flatMap((x) => this.unify(step.inputs[k]!, this.#terms.at(term.inputs[i]!), x)), [
        next,
      ] as Binding[]);
    if (step.op === "matmul") return op.kind === "linear" && term.inputs.length === 2 ? inputs([0, 1]) : [];
    if (step.op === "add" || step.op === "mul")
      return op.kind === step.op ? [...inputs([0, 1]), ...inputs([1, 0])] : [];
    if (step.op === "concat1") return op.kind === "concat" && term.inputs.length === 2 ? inputs([0, 1]) : [];
    if (step.op === "map") {
      if (!isMap(op.kind) || (b.map !== undefined && b.map !== op.kind)) return [];
      return this.unify(step.inputs[0]!, this.#terms.at(term.inputs[0]!), { ...next, map: op.kind });
    }
    if (op.kind !== "slice") return [];
    const whole = this.#terms.width(term.inputs[0]!);
    if (part === 0 ? op.from !== 0 : op.to !== whole) return [];
    const at = part === 0 ? op.to : op.from;
    if ((b.cuts.get(step) ?? at) !== at) return [];
    return this.unify(step.inputs[0]!, this.#terms.at(term.inputs[0]!), {
      ...next,
      cuts: new Map(b.cuts).set(step, at),
    });
  };

  /** The target's terms for those of the source's outputs. */
  build(binding: Binding): Map<TermId, TermId> | undefined {
    const { source, target } = this.#rule;
    const replaced = source.outputs.map((o) => binding.tensors.get(o)!);
    if (new Set(replaced).size < replaced.length) return undefined;
    const bound = [...binding.tensors].filter(([t]) => t < source.variables).map(([, id]) => id);
    // A value that follows from one that is replaced cannot be used to make it.
    if (this.#terms.reachable(bound).some((t) => replaced.includes(t.id))) return undefined;
    const cuts = this.#variableCuts(binding);
    if (cuts === undefined) return undefined;
    const made = new Construction(this.#terms, binding, cuts, source.variables).run(target.steps);
    if (made === undefined) return undefined;
    return new Map(target.outputs.map((o, i) => [replaced[i]!, made[o]!]));
  }

  /** Where cut variables are cut; `undefined` where a split is not at the seam of the concatenation that it would undo. */
  #variableCuts({ cuts, tensors }: Binding): Map<number, number> | undefined {
    const at = new Map<number, number>();
    const descend = (tensor: number, cut: number): boolean => {
      const step = this.#from[tensor]?.step;
      if (step === undefined) {
        const agrees = (at.get(tensor) ?? cut) === cut;
        at.set(tensor, cut);
        return agrees;
      }
      if (step.op === "concat1") return this.#terms.width(tensors.get(step.inputs[0]!)!) === cut;
      return step.op !== "matmul" && step.inputs.every((i) => descend(i, cut));
    };
    return [...cuts].every(([step, cut]) => descend(step.inputs[0]!, cut)) ? at : undefined;
  }
}
