/** The tape: what was computed from tensors that need gradients, and the walk back over it. */
import { gradient } from "../graph/gradient.ts";
import { compute, computeOne, type Recipe } from "./compute.ts";
import { context, within } from "./context.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

/** One recipe that was carried out, with what its gradient needs. */
export interface TapeNode {
  readonly recipe: Recipe;
  /** Emptied by the backward pass that uses it. */
  inputs: readonly Tensor[];
  /** The inputs' versions when it was computed. */
  readonly versions: readonly number[];
  /** How many results it has. */
  readonly outputs: number;
  /** Counts upwards: a node comes after those it uses. */
  readonly order: number;
}

/** Remembers how `outputs` came from `inputs`. */
export function record(recipe: Recipe, inputs: readonly Tensor[], outputs: readonly Tensor[]): void {
  const order = 1 + Math.max(0, ...inputs.map((t) => t.origin?.node.order ?? 0));
  const node: TapeNode = { recipe, inputs, versions: inputs.map((t) => t.version), outputs: outputs.length, order };
  for (const [index, t] of outputs.entries()) if (t.dtype !== "i32") t.comesFrom(node, index);
}

/** The gradients of a recipe's inputs `wanted`, from those of its outputs `given`, which follow the inputs. */
function gradientOf(recipe: Recipe, count: number, wanted: readonly number[], given: readonly number[]): Recipe {
  return {
    name: recipe.name,
    key: `vjp(${recipe.key};${wanted};${given})`,
    build(m, values) {
      const inputs = values.slice(0, count);
      const seeds = values.slice(count);
      const outputs = recipe.build(m, inputs);
      const all = recipe.vjp?.(
        m,
        inputs,
        outputs,
        outputs.map((y, i) => seeds[given.indexOf(i)] ?? m.constant(0, y.type.shape)),
      );
      const wrt = wanted.map((i) => inputs[i]!);
      if (all !== undefined) return wanted.map((i, k) => all[i] ?? m.constant(0, wrt[k]!.type.shape));
      // In a trace one input may have been computed from another, or be the same value twice: each counts for itself only.
      const stops = new Set(inputs.map(({ id }) => id));
      const from = given.map((i) => outputs[i]!);
      const gradients = gradient(m.builder, from, wrt, { seeds, stops });
      return wrt.map((x, k) => {
        const isFirst = wrt.findIndex(({ id }) => id === x.id) === k;
        return (isFirst ? gradients[k] : undefined) ?? m.constant(0, x.type.shape);
      });
    },
  };
}

const sum: Recipe = { name: "gradient sum", key: "gradient-sum", build: (m, [a, b]) => [m.add(a!, b!)] };

export interface WalkOptions {
  /** Record the walk itself, so that its results can be differentiated. */
  readonly createGraph: boolean;
  readonly retainGraph: boolean;
}

/** Nodes that lead to `from`, last first, of those through which `wrt` is reached. */
function nodesTowards(from: Tensor, wrt: ReadonlySet<Tensor>): readonly TapeNode[] {
  const leads = new Map<TapeNode, boolean>();
  const reaches = (t: Tensor): boolean => {
    if (wrt.has(t)) return true;
    const node = t.origin?.node;
    return node !== undefined && (leads.get(node) ?? false);
  };
  const stack = from.origin === undefined ? [] : [from.origin.node];
  const open = new Set<TapeNode>();
  while (stack.length > 0) {
    const node = stack.at(-1)!;
    if (leads.has(node)) {
      stack.pop();
      continue;
    }
    if (open.has(node)) {
      leads.set(node, node.inputs.some(reaches));
      stack.pop();
      continue;
    }
    open.add(node);
    for (const t of node.inputs) {
      const before = wrt.has(t) ? undefined : t.origin?.node;
      if (before !== undefined && !leads.has(before)) stack.push(before);
    }
  }
  return [...leads].flatMap(([node, isLeading]) => (isLeading ? [node] : [])).sort((a, b) => b.order - a.order);
}

/** The gradients of `from`, weighed by `seed`, with respect to `wrt`; undefined where it does not depend on them. */
export function gradientsOf(
  from: Tensor,
  seed: Tensor,
  wrt: readonly Tensor[],
  { createGraph, retainGraph }: WalkOptions,
): readonly (Tensor | undefined)[] {
  const wanted = new Set(wrt);
  const found = new Map<Tensor, Tensor>();
  const pending = new Map<TapeNode, (Tensor | undefined)[]>();
  const arrive = (t: Tensor, g: Tensor): void => {
    if (wanted.has(t)) {
      const before = found.get(t);
      found.set(t, before === undefined ? g : computeOne(sum, before, g));
      return;
    }
    if (t.origin === undefined) return;
    const { node, index } = t.origin;
    const list = pending.get(node) ?? Array<Tensor | undefined>(node.outputs).fill(undefined);
    pending.set(node, list);
    list[index] = list[index] === undefined ? g : computeOne(sum, list[index], g);
  };
  within({ recording: createGraph }, () => {
    const nodes = nodesTowards(from, wanted);
    const leading = new Set(nodes);
    arrive(from, seed);
    for (const node of nodes) {
      const arrived = pending.get(node);
      if (arrived === undefined) continue;
      const needed = node.inputs.flatMap((t, i) => {
        const isLeading = t.origin !== undefined && leading.has(t.origin.node);
        return t.requiresGrad && (wanted.has(t) || isLeading) ? [i] : [];
      });
      const given = arrived.flatMap((g, i) => (g === undefined ? [] : [i]));
      const seeds = given.map((i) => arrived[i]!);
      const recipe = gradientOf(node.recipe, node.inputs.length, needed, given);
      const results = compute(recipe, [...node.inputs, ...seeds], { versions: node.versions });
      for (const [k, i] of needed.entries()) arrive(node.inputs[i]!, results[k]!);
      if (!retainGraph) node.inputs = [];
    }
  });
  return wrt.map((t) => found.get(t));
}

/** The leaves (tensors that need gradients and were not computed) that `from` depends on. */
export function leavesOf(from: Tensor): readonly Tensor[] {
  const leaves = new Set<Tensor>();
  const seen = new Set<TapeNode>();
  const stack = [from];
  for (let t = stack.pop(); t !== undefined; t = stack.pop()) {
    const node = t.origin?.node;
    if (node === undefined) {
      if (t.requiresGrad) leaves.add(t);
      continue;
    }
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.inputs.length === 0)
      refuse(
        "backward()",
        `the part of the graph that made this through ${node.recipe.name} has been used by an earlier backward pass`,
        "Pass { retainGraph: true } to the first one.",
      );
    stack.push(...node.inputs);
  }
  return [...leaves];
}

/** Whether anything is being traced that `leaf` is not part of: its gradient would be unknown after the trace. */
export const isOutside = (leaf: Tensor): boolean =>
  context.trace !== undefined && leaf.valueIn(context.trace) === undefined;
