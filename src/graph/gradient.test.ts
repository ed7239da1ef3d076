/** Every rule against differences of the oracle's values in f64; and the rules' own gradients likewise. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ArrayCase, arrayCases, buildCase, inputNames, sample } from "../test/array-cases.ts";
import { type ArrayData, evaluate } from "../test/array-oracle.ts";
import { type ArrayGraph, sizeOf } from "./array.ts";
import { ArrayBuilder, type ArrayValue } from "./array-builder.ts";
import { gradient } from "./gradient.ts";

const exact = { exact: true };

function inputsOf(c: ArrayCase): Record<string, ArrayData> {
  const floats = c.inputs.map((shape, which) => [
    `x${which}`,
    Float64Array.from({ length: sizeOf(shape) }, (_, i) => sample(which, i, c.positive)),
  ]);
  const { shape, below } = c.indices ?? { shape: [0], below: 1 };
  const indices = Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 5 + 2) % below);
  return Object.fromEntries([...floats, ["indices", indices]]);
}

/** The derivative of the output `of`, a number, by each element of input `name`. */
function differences(graph: ArrayGraph, inputs: Record<string, ArrayData>, name: string): number[] {
  const step = 1e-5;
  const at = (i: number, by: number): number => {
    const moved = Float64Array.from(inputs[name]!);
    moved[i] = moved[i]! + by;
    return evaluate(graph, { ...inputs, [name]: moved }, exact).loss![0]!;
  };
  return Array.from(inputs[name]!, (_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

function assertClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  for (const [i, e] of expected.entries()) {
    assert.ok(Math.abs(actual[i]! - e) <= 1e-5 * (1 + Math.abs(e)), `${what}[${i}]: ${actual[i]}, expected ${e}`);
  }
}

/** Σ x · sin(3 i): every element counts, each differently. */
function weighed(m: ReturnType<typeof buildCase>["m"], x: ArrayValue): ArrayValue {
  const flat = m.reshape(x, [sizeOf(x.type.shape)]);
  const weights = m.unary("sin", m.mul(m.iota(flat.type.shape, 0), 3));
  return m.reshape(m.sum(m.mul(flat, weights), [0]), []);
}

for (const c of arrayCases) {
  test(`${c.name}: first and second derivatives`, () => {
    const inputs = inputsOf(c);
    const b = new ArrayBuilder();
    const { m, values, y } = buildCase(c, b);
    const loss = weighed(m, y);
    const first = gradient(b, [loss], values);
    const known = first.flatMap((g, i) => (g === undefined ? [] : [[`x${i}`, g] as const]));
    const outputs = evaluate(b.finish({ loss, ...Object.fromEntries(known) }), inputs, exact);
    const ofLoss = b.finish({ loss });
    for (const [i, name] of inputNames(c).entries()) {
      const expected = differences(ofLoss, inputs, name);
      assertClose(first[i] === undefined ? expected.map(() => 0) : outputs[name]!, expected, name);
    }

    // The same of a number that the first derivatives give.
    if (known.length === 0) return;
    const second = known.map(([, g]) => weighed(m, m.unary("square", g))).reduce((p, q) => m.add(p, q));
    const ofSecond = gradient(b, [second], values);
    const byName = Object.fromEntries(ofSecond.flatMap((g, i) => (g === undefined ? [] : [[`x${i}`, g]])));
    const seconds = evaluate(b.finish(byName as Record<string, ArrayValue>), inputs, exact);
    const graph = b.finish({ loss: second });
    for (const name of inputNames(c)) {
      const expected = differences(graph, inputs, name);
      assertClose(seconds[name] ?? expected.map(() => 0), expected, `second ${name}`);
    }
  });
}

test("a value used twice gets the sum; what the loss does not depend on gets nothing; a stop lets nothing through", () => {
  const b = new ArrayBuilder();
  const [x, z] = ["x", "z"].map((name) => b.add({ kind: "input", name }, [], { dtype: "f32", shape: [] }));
  const squared = b.add({ kind: "binary", fn: "mul" }, [x!, x!]);
  const loss = b.add({ kind: "binary", fn: "mul" }, [squared, x!]);
  const [dx, dz] = gradient(b, [loss], [x!, z!]);
  const [stopped] = gradient(b, [loss], [x!], { stops: new Set([squared.id]) });
  assert.equal(dz, undefined);
  const out = evaluate(b.finish({ dx: dx!, stopped: stopped! }), { x: Float32Array.of(3), z: Float32Array.of(0) });
  assert.deepEqual([out.dx![0], out.stopped![0]], [27, 9]);
});

test("products of bf16 have f32 gradients, from operands rounded to bf16", () => {
  const b = new ArrayBuilder();
  const [x, w] = ["x", "w"].map((name) => b.add({ kind: "input", name }, [], { dtype: "f32", shape: [2, 2] }));
  const narrow = (v: ArrayValue): ArrayValue => b.add({ kind: "cast" }, [v], { dtype: "bf16", shape: [2, 2] });
  const y = b.add({ kind: "matmul", transposeA: false, transposeB: false }, [narrow(x!), narrow(w!)]);
  const [dw] = gradient(b, [y], [w!], { seeds: [b.add({ kind: "constant", value: 1 }, [], y.type)] });
  assert.equal(dw!.type.dtype, "f32");
  const inputs = { x: Float32Array.of(1.001, 2, 3, 4), w: new Float32Array(4) };
  assert.deepEqual([...evaluate(b.finish({ dw: dw! }), inputs).dw!], [4, 4, 6, 6]);
});
