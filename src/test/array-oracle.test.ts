import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArrayOp, ArrayType } from "../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import { type ArrayData, evaluate } from "./array-oracle.ts";
import { philox, randomElement } from "./philox.ts";

const f32 = (...shape: number[]): ArrayType => ({ dtype: "f32", shape });

function run(build: (b: ArrayBuilder) => ArrayValue, inputs: Record<string, ArrayData> = {}): number[] {
  const b = new ArrayBuilder();
  const y = build(b);
  return [...evaluate(b.finish({ y }), inputs).y!];
}

const count = (b: ArrayBuilder, ...shape: number[]): ArrayValue => {
  const n = shape.reduce((a, d) => a * d, 1);
  const flat = b.add({ kind: "iota", axis: 0 }, [], f32(n));
  return b.add({ kind: "reshape" }, [flat], f32(...shape));
};

test("Philox gives the words that its authors publish", () => {
  assert.deepEqual(philox([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  assert.deepEqual(philox([ones, ones, ones, ones], [ones, ones]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  assert.deepEqual(
    philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test("random draws have the moments they should", () => {
  const n = 8192;
  const uniform = Array.from({ length: n }, (_, i) => randomElement("uniform", [1, 2], 3, i));
  const normal = Array.from({ length: n }, (_, i) => randomElement("normal", [1, 2], 3, i));
  const mean = (list: number[]): number => list.reduce((a, x) => a + x, 0) / n;
  assert.ok(Math.abs(mean(uniform) - 0.5) < 0.02 && uniform.every((x) => x >= 0 && x < 1));
  assert.ok(Math.abs(mean(normal)) < 0.05);
  assert.ok(Math.abs(mean(normal.map((x) => x * x)) - 1) < 0.06);
  assert.equal(new Set(uniform).size > n - 20, true);
});

test("movement", () => {
  const cases: [ArrayOp, number[], ArrayType | undefined, number[]][] = [
    [{ kind: "transpose", order: [1, 0] }, [2, 3], undefined, [0, 3, 1, 4, 2, 5]],
    [{ kind: "expand" }, [2, 1], f32(2, 3), [0, 0, 0, 1, 1, 1]],
    [{ kind: "slice", starts: [0, 1], steps: [1, 2] }, [2, 4], f32(2, 2), [1, 3, 5, 7]],
    [{ kind: "pad", low: [1], high: [0], interior: [1], value: 9 }, [3], undefined, [9, 0, 9, 1, 9, 2]],
    [{ kind: "flip", axes: [1] }, [2, 2], undefined, [1, 0, 3, 2]],
    [{ kind: "reduce", fn: "sum", axes: [0] }, [2, 3], undefined, [3, 5, 7]],
    [{ kind: "reduce", fn: "max", axes: [0, 1] }, [2, 3], undefined, [5]],
    [{ kind: "argmax", axis: 0 }, [2, 3], undefined, [1, 1, 1]],
    [{ kind: "cumsum", axis: 1 }, [2, 3], undefined, [0, 1, 3, 3, 7, 12]],
  ];
  for (const [op, shape, declared, expected] of cases)
    assert.deepEqual(
      run((b) => b.add(op, [count(b, ...shape)], declared)),
      expected,
      op.kind,
    );
  const joined = run((b) => b.add({ kind: "concat", axis: 1 }, [count(b, 2, 1), count(b, 2, 2)]));
  assert.deepEqual(joined, [0, 0, 1, 1, 2, 3]);
});

test("products, with each operand either way round", () => {
  const a = Float32Array.of(1, 2, 3, 4, 5, 6);
  const b = Float32Array.of(1, 0, 2, 1, 0, 3);
  const shapes = [
    [f32(2, 3), f32(3, 2), [5, 11, 14, 23]],
    [f32(2, 3), f32(2, 3), [7, 10, 16, 22]],
  ] as const;
  for (const [left, right, expected] of shapes) {
    const product = run(
      (builder) =>
        builder.add({ kind: "matmul", transposeA: false, transposeB: left.shape[1] === right.shape[1] }, [
          builder.add({ kind: "input", name: "a" }, [], left),
          builder.add({ kind: "input", name: "b" }, [], right),
        ]),
      { a, b },
    );
    assert.deepEqual(product, expected);
  }
});

test("a convolution's gradients are its adjoints, padded, strided, dilated, in groups", () => {
  const op = { strides: [2, 1], padding: [1, 0, 2, 1], dilations: [1, 2], groups: 2 } as const;
  const [x, w] = [f32(2, 5, 6, 4), f32(3, 2, 2, 6)];
  const n = (t: ArrayType, k: number): Float32Array =>
    Float32Array.from({ length: t.shape.reduce((p, d) => p * d, 1) }, (_, i) => Math.sin(i * k));
  const b = new ArrayBuilder();
  const [vx, vw] = [b.add({ kind: "input", name: "x" }, [], x), b.add({ kind: "input", name: "w" }, [], w)];
  const y = b.add({ kind: "conv2d", ...op }, [vx, vw]);
  const dy = b.add({ kind: "input", name: "dy" }, [], y.type);
  const dx = b.add({ kind: "conv2dInput", ...op }, [dy, vw], x);
  const dw = b.add({ kind: "conv2dWeight", ...op }, [vx, dy], w);
  const inputs = { x: n(x, 0.7), w: n(w, 1.3), dy: n(y.type, 0.3) };
  const out = evaluate(b.finish({ y, dx, dw }), inputs, { exact: true });
  const dot = (p: ArrayData, q: ArrayData): number => [...p].reduce((s, v, i) => s + v * q[i]!, 0);
  const whole = dot(out.y!, inputs.dy);
  assert.ok(Math.abs(whole) > 0.1);
  assert.ok(Math.abs(dot(out.dx!, inputs.x) - whole) < 1e-9);
  assert.ok(Math.abs(dot(out.dw!, inputs.w) - whole) < 1e-9);
});

test("pooling leaves the padding out, and the first of equal maxima gets the gradient", () => {
  const x = Float32Array.of(3, 3, 1, 0, 2, 3, 1, 1, 1);
  const inputs = (b: ArrayBuilder): ArrayValue => b.add({ kind: "input", name: "x" }, [], f32(1, 3, 3, 1));
  const window = { size: [2, 2], strides: [2, 2], padding: [0, 1, 0, 1] } as const;
  const pooled = (fn: "max" | "mean") => (b: ArrayBuilder) => b.add({ kind: "pool2d", fn, ...window }, [inputs(b)]);
  assert.deepEqual(run(pooled("max"), { x }), [3, 3, 1, 1]);
  assert.deepEqual(run(pooled("mean"), { x }), [2, 2, 1, 1]);
  const gradient = (fn: "max" | "mean") => (b: ArrayBuilder) => {
    const y = pooled(fn)(b);
    const dy = b.add({ kind: "constant", value: 4 }, [], y.type);
    return b.add({ kind: "pool2dInput", fn, ...window }, [inputs(b), y, dy]);
  };
  assert.deepEqual(run(gradient("max"), { x }), [4, 0, 0, 0, 0, 4, 4, 0, 4]);
  assert.deepEqual(run(gradient("mean"), { x }), [1, 1, 2, 1, 1, 2, 2, 2, 4]);
});

test("rows taken and added back; bf16 as bits, rounded to even; erf", () => {
  const b = new ArrayBuilder();
  const i = b.add({ kind: "input", name: "i" }, [], { dtype: "i32", shape: [3] });
  const table = count(b, 4, 2);
  const rows = b.add({ kind: "take" }, [table, i]);
  const sums = b.add({ kind: "scatterAdd" }, [i, rows], f32(4, 2));
  const x = b.add({ kind: "input", name: "x" }, [], { dtype: "bf16", shape: [2] });
  const doubled = b.add({ kind: "binary", fn: "add" }, [x, x]);
  const erf = b.add({ kind: "unary", fn: "erf" }, [count(b, 2)]);
  const out = evaluate(b.finish({ rows, sums, doubled, erf }), {
    i: Int32Array.of(2, 0, 2),
    x: Uint16Array.of(0x3f80, 0xc040),
  });
  assert.deepEqual([...out.rows!], [4, 5, 0, 1, 4, 5]);
  assert.deepEqual([...out.sums!], [0, 1, 0, 0, 8, 10, 0, 0]);
  assert.deepEqual([...out.doubled!], [0x4000, 0xc0c0]);
  assert.deepEqual([...out.erf!], [0, Math.fround(0.8427007929497149)]);
  assert.throws(() => evaluate(b.finish({ rows }), { i: Int32Array.of(1) }), /Input i is i32\[3\]/);
});
