/** Functions of functions: `grad`, `valueAndGrad`, `jit`, `vmap`. They compose, in any order. */
import { createHash } from "node:crypto";
import type { ArrayGraph } from "../graph/array.ts";
import { batch, repeated } from "../graph/batching.ts";
import { compute, computeApart, computeLater, computeOne, type Recipe, trace } from "./compute.ts";
import { context, within } from "./context.ts";
import { full, ones } from "./creation.ts";
import { keep } from "./scope.ts";
import { gradientsOf, leavesOf } from "./tape.ts";
import type { Tensor } from "./tensor.ts";
import { inline } from "./trace.ts";
import { fillTree, leavesOfTree, mapTree, signatureOfTree } from "./tree.ts";
import { refuse } from "./user-line.ts";

export type { Tree } from "./tree.ts";

const identity: Recipe = { name: "identity", key: "identity", build: (_, [x]) => [x!] };

export interface GradOptions {
  /** Which argument (a tensor, or a tree of them) the gradient is taken of; the first by default. */
  readonly argument?: number;
}

/** What `f` returns (a number, as a tensor; or a pair of it and anything else), and its gradient. */
export function valueAndGrad<
  A extends readonly unknown[],
  R extends Tensor | readonly [Tensor, unknown],
  I extends number = 0,
>(f: (...args: A) => R, { argument = 0 as I }: { readonly argument?: I } = {}): (...args: A) => readonly [R, A[I]] {
  return (...args) => {
    const given = leavesOfTree(args[argument]);
    // Fresh names of the same elements: what else the caller computes with them has no part in this gradient.
    const own = within({ recording: true }, () =>
      given.map((t) => {
        const alias = t.requiresGrad ? computeOne(identity, t) : t.detach();
        return t.dtype === "i32" ? alias : alias.requireGrad();
      }),
    );
    const called = args.map((arg, i) => (i === argument ? fillTree(arg, own) : arg));
    const result = within({ recording: true }, () => f(...(called as unknown as A)));
    const loss = (Array.isArray(result) ? result[0] : result) as Tensor;
    if (loss.size !== 1) refuse(`grad of a function that returns ${loss.signature}`, "it must return one number.");
    const mine = new Set(own);
    const isNested =
      given.some((t) => t.requiresGrad) || (loss.requiresGrad && leavesOf(loss).some((t) => !mine.has(t)));
    const createGraph = context.recording && isNested;
    const gradients = loss.requiresGrad
      ? gradientsOf(loss, ones(loss.shape), own, { createGraph, retainGraph: createGraph })
      : [];
    const whole = own.map((t, i) => gradients[i] ?? full(t.shape, 0));
    const value = createGraph ? result : mapTree(result, (t) => (t.requiresGrad ? t.detach() : t));
    return [value, fillTree(args[argument], whole)] as readonly [R, A[I]];
  };
}

/** The gradient of `f`, which returns one number, with respect to an argument: a tree as the argument is. */
export function grad<A extends readonly unknown[], I extends number = 0>(
  f: (...args: A) => Tensor,
  options: { readonly argument?: I } = {},
): (...args: A) => A[I] {
  const both = valueAndGrad(f, options);
  return (...args) => both(...args)[1];
}

export interface JitOptions {
  /** Arguments whose memory results of the same types are written over, in order; they are gone after the call. */
  readonly donate?: readonly number[];
}

/** A function compiled whole, for each structure and types of its arguments. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R;
  /** The same, computed on the device's threads while this one goes on. */
  later(...args: A): Promise<R>;
  /** The graph that would run. */
  graph(...args: A): ArrayGraph;
}

interface Compiled {
  readonly recipe: Recipe;
  readonly graph: ArrayGraph;
  readonly captured: readonly Tensor[];
  readonly result: unknown;
  readonly over: ReadonlyMap<number, number>;
}

/**
 * `f` as one compiled program. It is called once with unknown elements for each structure of its arguments; numbers, strings
 * and the like in them are part of the structure: pass a tensor for what changes each time. Tensors that `f` uses from outside
 * are read at each call.
 */
export function jit<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { donate = [] }: JitOptions = {},
): Jitted<A, R> {
  const id = `jit ${context.functions++}`;
  const known = new Map<string, Compiled>();
  const prepare = (args: A): Compiled => {
    const key = `${signatureOfTree(args)}${context.autocast ? " autocast" : ""}`;
    const before = known.get(key);
    if (before !== undefined) return before;
    const made = compileTree(`${id} ${known.size}`, f, args, donate);
    known.set(key, made);
    return made;
  };
  const finish = (c: Compiled, inputs: readonly Tensor[], outputs: readonly Tensor[]): R => {
    const consumed = new Set(c.over.values());
    for (const i of consumed) if (!inputs[i]!.isTraced) inputs[i]!.consumed("jit");
    return fillTree(c.result, outputs) as R;
  };
  const call = (...args: A): R => {
    const c = prepare(args);
    const inputs = [...leavesOfTree(args), ...c.captured];
    const isDonating = c.over.size > 0 && context.trace === undefined;
    const outputs = isDonating ? computeApart(c.recipe, inputs, { over: c.over }) : compute(c.recipe, inputs);
    return isDonating ? finish(c, inputs, outputs) : (fillTree(c.result, outputs) as R);
  };
  const later = async (...args: A): Promise<R> => {
    const c = prepare(args);
    const inputs = [...leavesOfTree(args), ...c.captured];
    return finish(c, inputs, await computeLater(c.recipe, inputs, c.over.size > 0 ? { over: c.over } : {}));
  };
  return Object.assign(call, { later, graph: (...args: A) => prepare(args).graph });
}

function compileTree<A extends readonly unknown[], R>(
  key: string,
  f: (...args: A) => R,
  args: A,
  donate: readonly number[],
): Compiled {
  const leaves = leavesOfTree(args);
  let result: unknown;
  const { graph, captured } = trace(leaves, (values) => {
    result = f(...fillTree(args, values));
    return leavesOfTree(result);
  });
  for (const t of captured) keep(t);
  const outputs = leavesOfTree(result);
  const counts = args.map((arg) => leavesOfTree(arg).length);
  const firstOf = (i: number): number => counts.slice(0, i).reduce((a, b) => a + b, 0);
  const free = donate.flatMap((i) => Array.from({ length: counts[i] ?? 0 }, (_, k) => firstOf(i) + k));
  const over = new Map<number, number>();
  for (const [o, { signature }] of outputs.entries()) {
    const at = free.findIndex((i) => leaves[i]!.signature === signature);
    if (at >= 0) over.set(o, free.splice(at, 1)[0]!);
  }
  const recipe: Recipe = { name: "a compiled function", key, build: (m, inputs) => inline(m, graph, inputs) };
  // What the trace recorded of gradients is not needed any more.
  return { recipe, graph, captured, result: mapTree(result, (t) => t.detach()), over };
}

export interface VmapOptions {
  /** For each argument the axis of the examples, or null where all share it; 0 by default. */
  readonly axes?: readonly (number | null)[];
}

/**
 * `f` over examples: each argument has one axis more, along which they lie, and so have the results, at the front. `f` is
 * called once, with the types of one example.
 */
export function vmap<A extends readonly unknown[], R>(
  f: (...args: A) => R,
  { axes = [] }: VmapOptions = {},
): (...args: A) => R {
  return (...args) => {
    const moved = args.map((arg, i) => {
      const axis = axes[i] === undefined ? 0 : axes[i]!;
      if (axis === null || axis === 0) return arg;
      return mapTree(arg, (t) => t.permute(axis, ...t.shape.flatMap((_, k) => (k === axis ? [] : [k]))));
    });
    const isBatched = args.flatMap((arg, i) => leavesOfTree(arg).map(() => axes[i] !== null));
    const leaves = leavesOfTree(moved);
    const extents = new Set(leaves.flatMap((t, i) => (isBatched[i] ? [t.shape[0]] : [])));
    const [n] = extents;
    if (extents.size !== 1 || n === undefined)
      refuse(
        `vmap over ${leaves.map((t) => t.signature)}`,
        `the extents of the examples' axis are ${[...extents].join(", ") || "none"}.`,
      );
    let result: unknown;
    const types = leaves.map((t, i) => ({ dtype: t.dtype, shape: isBatched[i] ? t.shape.slice(1) : t.shape }));
    const { graph, captured } = trace(types, (values) => {
      result = f(...(fillTree(moved, values) as unknown as A));
      return leavesOfTree(result);
    });
    const recipe: Recipe = {
      name: "vmap",
      key: `vmap ${n} ${isBatched} ${graphKey(graph)}`,
      build: (m, inputs) => {
        const bind = (name: string) => {
          const i = Number(name.slice(1));
          return { value: inputs[i]!, batched: isBatched[i] ?? false };
        };
        return Object.values(batch(m.builder, graph, n!, bind)).map((value) => repeated(m, value, n!));
      },
    };
    return fillTree(result, compute(recipe, [...leaves, ...captured])) as R;
  };
}

/** Equal for equal graphs only. */
const graphKey = (graph: ArrayGraph): string =>
  createHash("sha256")
    .update(JSON.stringify(graph, (_, x) => (typeof x === "number" && !Number.isFinite(x) ? `${x}` : x)))
    .digest("base64");
