/**
 * Gradients through conditions and loops. A loop is run with a counter and a stack on which each iteration puts the state that it
 * was given; its gradient is a loop that counts down, takes a state from the stack, and goes back through the body. The gradient
 * of a condition is a condition on the same predicate. So the gradient is a program of the same kind, and nests as the program does.
 */
import type { ArrayType } from "../../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../../graph/array-builder.ts";
import { gradient } from "../../graph/gradient.ts";
import { arrayType, type Flow, type FlowNode, type FlowValue, type Scope } from "./flow.ts";

type Gradient = FlowValue | undefined;
/** From the gradients of results to those of inputs; `undefined` is 0, or that there is none. */
type Back = (scope: Scope, results: readonly Gradient[]) => readonly Gradient[];

export interface Pulled {
  readonly results: readonly FlowValue[];
  readonly back: Back;
}

const counterType: ArrayType = { dtype: "i32", shape: [1] };
const hasGradient = ({ type }: Pick<FlowValue, "type">): boolean => type !== "stack" && type.dtype !== "i32";
const f32 = ({ shape }: ArrayType): ArrayType => ({ dtype: "f32", shape });

function plus(scope: Scope, a: Gradient, b: Gradient): Gradient {
  if (a === undefined || b === undefined) return a ?? b;
  return scope.op({ kind: "binary", fn: "add" }, [a, b]);
}

const zerosLike = (scope: Scope, value: FlowValue): FlowValue => scope.constant(0, f32(arrayType(value)));

/** Writes `flow` over `inputs` into `scope`; `saving`, so that its gradient can be written afterwards. */
export function pull(scope: Scope, flow: Flow, inputs: readonly FlowValue[], saving = true): Pulled {
  const values: FlowValue[] = [];
  const lists = new Map<number, readonly FlowValue[]>();
  const backs = new Map<number, Back>();
  for (const [place, id] of flow.inputs.entries()) values[id] = inputs[place]!;
  for (const [id, node] of flow.nodes.entries()) {
    if (node.kind === "input") continue;
    const given = node.kind === "item" ? [] : node.inputs.map((i) => values[i]!);
    if (node.kind === "item") values[id] = lists.get(node.inputs[0])![node.index]!;
    else if (node.kind === "cond" || node.kind === "while") {
      const { results, back } =
        node.kind === "cond" ? pullCond(scope, node, given, saving) : pullWhile(scope, node, given, saving);
      lists.set(id, results);
      backs.set(id, back);
    } else values[id] = plain(scope, node, given);
  }
  const back: Back = (at, results) => {
    const gradients: Gradient[] = [];
    const ofItems = new Map<number, Gradient[]>();
    for (const [place, id] of flow.results.entries()) gradients[id] = plus(at, gradients[id], results[place]);
    for (const [id, node] of [...flow.nodes.entries()].reverse()) {
      if (node.kind === "input") continue;
      if (node.kind === "item") {
        const list = ofItems.get(node.inputs[0]) ?? [];
        list[node.index] = gradients[id];
        ofItems.set(node.inputs[0], list);
        continue;
      }
      const made = backs.has(id)
        ? backs.get(id)!(at, ofItems.get(id) ?? [])
        : backOp(at, node, values, id, gradients[id]);
      for (const [i, input] of node.inputs.entries()) gradients[input] = plus(at, gradients[input], made[i]);
    }
    return flow.inputs.map((id) => gradients[id]);
  };
  return { results: flow.results.map((id) => values[id]!), back };
}

type Simple = Exclude<FlowNode, { kind: "input" | "item" | "cond" | "while" }>;

function plain(scope: Scope, node: Simple, given: readonly FlowValue[]): FlowValue {
  if (node.kind === "op") return scope.op(node.op, given, node.type);
  if (node.kind === "stack") return scope.stack();
  const [stack, index, ...values] = given;
  return node.kind === "push" ? scope.push(stack!, index!, values) : scope.read(stack!, index!, node.item, node.type);
}

/** What the table of gradients adds to a graph of this one operation, written into the scope. */
function backOp(
  scope: Scope,
  node: FlowNode,
  values: readonly FlowValue[],
  id: number,
  dy: Gradient,
): readonly Gradient[] {
  if (dy === undefined || node.kind !== "op") return [];
  const b = new ArrayBuilder();
  const input = (name: string, type: ArrayType): ArrayValue => b.add({ kind: "input", name }, [], type);
  const outer = new Map<number, FlowValue>();
  const inputs = node.inputs.map((i, place) => {
    const value = input(`${place}`, arrayType(values[i]!));
    outer.set(value.id, values[i]!);
    return value;
  });
  const seed = input("dy", f32(node.type));
  outer.set(seed.id, dy);
  const y = b.add(node.op, inputs, node.type);
  outer.set(y.id, values[id]!);
  const made = gradient(b, [y], inputs, { seeds: [seed] });
  const written: FlowValue[] = [];
  for (const { id: inner, op, inputs: from, type } of b.nodes) {
    written[inner] =
      outer.get(inner) ??
      scope.op(
        op,
        from.map((i) => written[i]!),
        type,
      );
  }
  return made.map((g, i) => (g === undefined || !hasGradient(values[node.inputs[i]!]!) ? undefined : written[g.id]!));
}

function pullCond(
  scope: Scope,
  node: Extract<FlowNode, { kind: "cond" }>,
  [predicate, ...inputs]: readonly FlowValue[],
  saving: boolean,
): Pulled {
  const branch = (flow: Flow) => (inner: Scope) => pull(inner, flow, inputs, saving).results;
  const results = scope.cond(predicate!, branch(node.whenTrue), branch(node.whenFalse));
  const back: Back = (at, gradients) => {
    if (gradients.every((g) => g === undefined)) return [];
    const wanted = inputs.map(hasGradient);
    // Branches must give the same: what one does not use has a gradient of 0 there.
    const reverse = (flow: Flow) => (inner: Scope) => {
      const made = pull(inner, flow, inputs).back(inner, gradients);
      return inputs.flatMap((input, i) => (wanted[i] ? [made[i] ?? zerosLike(inner, input)] : []));
    };
    const made = [...at.cond(predicate!, reverse(node.whenTrue), reverse(node.whenFalse))];
    return [undefined, ...wanted.map((is) => (is ? made.shift() : undefined))];
  };
  return { results, back };
}

function pullWhile(
  scope: Scope,
  { states, condition, body, inputs: { length } }: Extract<FlowNode, { kind: "while" }>,
  given: readonly FlowValue[],
  saving: boolean,
): Pulled {
  const used = condition.inputs.length - states;
  const [state, tested, constants] = [
    given.slice(0, states),
    given.slice(states, states + used),
    given.slice(states + used),
  ];
  const holds = (inner: Scope, now: readonly FlowValue[]): FlowValue =>
    pull(inner, condition, [...now, ...tested], false).results[0]!;
  const run = (inner: Scope, now: readonly FlowValue[]): readonly FlowValue[] =>
    pull(inner, body, [...now, ...constants], false).results;
  if (!saving) return { results: scope.while(state, holds, run), back: () => [] };
  const step = (inner: Scope, counter: FlowValue, by: number): FlowValue =>
    inner.op({ kind: "binary", fn: "add" }, [counter, inner.constant(by, counterType)]);
  const [count, stack, ...results] = scope.while(
    [scope.constant(0, counterType), scope.stack(), ...state],
    (inner, [, , ...now]) => holds(inner, now),
    (inner, [i, saved, ...now]) => [step(inner, i!, 1), inner.push(saved!, i!, now), ...run(inner, now)],
  );
  const back: Back = (at, gradients) => {
    if (gradients.every((g) => g === undefined)) return [];
    const floats = (list: readonly FlowValue[]): readonly number[] =>
      list.flatMap((v, i) => (hasGradient(v) ? [i] : []));
    const [moving, fixed] = [floats(state), floats(constants)];
    const begin = [
      step(at, count!, -1),
      ...moving.map((i) => gradients[i] ?? zerosLike(at, results[i]!)),
      ...fixed.map((i) => zerosLike(at, constants[i]!)),
    ];
    const reached = (inner: Scope, [i]: readonly FlowValue[]): FlowValue =>
      inner.op({ kind: "binary", fn: "le" }, [inner.constant(0, counterType), i!]);
    const [, ...made] = at.while(begin, reached, (inner, [i, ...now]) => {
      const saved = state.map((v, item) => inner.read(stack!, i!, item, arrayType(v)));
      const dy: Gradient[] = [];
      for (const [place, s] of moving.entries()) dy[s] = now[place];
      const found = pull(inner, body, [...saved, ...constants]).back(inner, dy);
      return [
        step(inner, i!, -1),
        ...moving.map((s) => found[s] ?? zerosLike(inner, state[s]!)),
        ...fixed.map((c, place) => plus(inner, now[moving.length + place], found[states + c])!),
      ];
    });
    const all: Gradient[] = Array.from({ length }, () => undefined);
    for (const [place, s] of moving.entries()) all[s] = made[place];
    for (const [place, c] of fixed.entries()) all[states + used + c] = made[moving.length + place];
    return all;
  };
  return { results, back };
}
