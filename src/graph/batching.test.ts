/** A batched graph gives what a loop over its examples gives: every rule, for each choice of inputs that are batched. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ArrayCase, arrayCases, buildCase, sample } from "../test/array-cases.ts";
import { type ArrayData, evaluate } from "../test/array-oracle.ts";
import { type ArrayGraph, sizeOf } from "./array.ts";
import { ArrayBuilder, type ArrayValue } from "./array-builder.ts";
import { batch } from "./batching.ts";
import { gradient } from "./gradient.ts";

const n = 3;

/** The case and its gradients, as one graph. */
function graphOf(c: ArrayCase): ArrayGraph {
  const b = new ArrayBuilder();
  const { values, y } = buildCase(c, b);
  const seed = b.add({ kind: "constant", value: 0.5 }, [], y.type);
  const gradients = y.type.dtype === "f32" ? gradient(b, [y], values, { seeds: [seed] }) : [];
  const known = gradients.flatMap((g, i) => (g === undefined ? [] : [[`d${i}`, g] as const]));
  return b.finish({ y, ...Object.fromEntries(known) });
}

/** For each input its examples: `n` of them where it is batched, else one. */
function examplesOf(c: ArrayCase, isBatched: (name: string) => boolean): Map<string, ArrayData[]> {
  const inputs = c.inputs.map((shape, which) => {
    const size = sizeOf(shape);
    const one = (e: number): ArrayData =>
      Float64Array.from({ length: size }, (_, i) => sample(which, e * size + i, true));
    return [`x${which}`, one] as const;
  });
  const indices = (e: number): ArrayData =>
    Int32Array.from({ length: sizeOf(c.indices?.shape ?? []) }, (_, i) => (e * 3 + i * 5) % (c.indices?.below ?? 1));
  const all = c.indices === undefined ? inputs : [...inputs, ["indices", indices] as const];
  return new Map(all.map(([name, one]) => [name, Array.from({ length: isBatched(name) ? n : 1 }, (_, e) => one(e))]));
}

function check(c: ArrayCase, isBatched: (name: string) => boolean): void {
  const graph = graphOf(c);
  const examples = examplesOf(c, isBatched);
  const b = new ArrayBuilder();
  const bound = new Map(
    graph.nodes.flatMap(({ op, type }) => {
      if (op.kind !== "input") return [];
      const batched = isBatched(op.name);
      const shape = batched ? [n, ...type.shape] : type.shape;
      return [[op.name, { value: b.add(op, [], { dtype: type.dtype, shape }), batched }] as const];
    }),
  );
  const results = batch(b, graph, n, (name) => bound.get(name)!);
  const outputs: Record<string, ArrayValue> = Object.fromEntries(
    Object.entries(results).map(([name, { value }]) => [name, value]),
  );
  const joined = [...examples].map(([name, list]) => [name, joinedData(list)] as const);
  const whole = evaluate(b.finish(outputs), Object.fromEntries(joined), { exact: true });
  for (let e = 0; e < n; e++) {
    const inputs = [...examples].map(([name, list]) => [name, list[e] ?? list[0]!] as const);
    const alone = evaluate(graph, Object.fromEntries(inputs), { exact: true });
    for (const [name, expected] of Object.entries(alone)) {
      const from = results[name]!.batched ? e * expected.length : 0;
      const actual = whole[name]!.slice(from, from + expected.length);
      for (const [i, x] of expected.entries())
        assert.ok(Math.abs(actual[i]! - x) < 1e-9 * (1 + Math.abs(x)), `${name}[${e}][${i}]: ${actual[i]}, not ${x}`);
    }
  }
}

function joinedData(list: readonly ArrayData[]): ArrayData {
  const all = list.flatMap((data) => [...data]);
  return list[0] instanceof Int32Array ? Int32Array.from(all) : Float64Array.from(all);
}

for (const c of arrayCases) {
  test(`${c.name}: batched as in a loop, with its gradient`, () => {
    check(c, () => true);
    for (const [i] of c.inputs.entries()) check(c, (name) => name === `x${i}`);
    if (c.indices !== undefined) check(c, (name) => name === "indices");
  });
}
