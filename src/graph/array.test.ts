/** Types of operations on arrays: what fits, and what is refused by name. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../core/errors.ts";
import type { ArrayOp, ArrayType } from "./array.ts";
import { ArrayBuilder } from "./array-builder.ts";
import { verifyArrays } from "./verify.ts";

const f32 = (...shape: number[]): ArrayType => ({ dtype: "f32", shape });
const window = { strides: [2, 2], padding: [1, 1, 1, 1] } as const;

test("shapes follow from the operations, and a graph verifies", () => {
  const b = new ArrayBuilder();
  const x = b.add({ kind: "input", name: "x" }, [], f32(2, 9, 8, 4));
  const w = b.add({ kind: "input", name: "w" }, [], f32(3, 3, 2, 6));
  const y = b.add({ kind: "conv2d", ...window, dilations: [1, 1], groups: 2 }, [x, w]);
  assert.deepEqual(y.type, f32(2, 5, 4, 6));
  const dx = b.add({ kind: "conv2dInput", ...window, dilations: [1, 1], groups: 2 }, [y, w], x.type);
  assert.deepEqual(dx.type, x.type);
  const p = b.add({ kind: "pool2d", fn: "max", size: [3, 3], ...window }, [y]);
  assert.deepEqual(p.type, f32(2, 3, 2, 6));
  const padded = b.add({ kind: "pad", low: [1, 0, 0, 0], high: [0, 2, 0, 0], interior: [0, 0, 1, 0], value: 0 }, [p]);
  assert.deepEqual(padded.type, f32(3, 5, 3, 6));
  const sum = b.add({ kind: "reduce", fn: "sum", axes: [0, 3] }, [padded]);
  assert.deepEqual(sum.type, f32(1, 5, 3, 1));
  verifyArrays(b.finish({ sum, dx }), "a test");
});

test("equal operations on equal inputs are one node", () => {
  const b = new ArrayBuilder();
  const one = (): number => b.add({ kind: "constant", value: 1 }, [], f32(2)).id;
  assert.equal(one(), one());
  assert.notEqual(one(), b.add({ kind: "constant", value: 2 }, [], f32(2)).id);
});

test("what does not fit is refused with the operation, the shapes and the reason", () => {
  const cases: readonly (readonly [ArrayOp, readonly ArrayType[], ArrayType | undefined, RegExp])[] = [
    [
      { kind: "binary", fn: "add" },
      [f32(2), f32(3)],
      undefined,
      /binary \(add\) over f32\[2\], f32\[3\]: the shapes differ/,
    ],
    [
      { kind: "matmul", transposeA: false, transposeB: true },
      [f32(2, 3), f32(3, 4)],
      undefined,
      /inner extents are 3 and 4/,
    ],
    [{ kind: "expand" }, [f32(2, 1)], f32(3, 4), /does not repeat/],
    [{ kind: "slice", starts: [1], steps: [2] }, [f32(4)], f32(3), /axis 0 has no 3 elements from 1 in steps of 2/],
    [{ kind: "reduce", fn: "sum", axes: [2] }, [f32(2, 2)], undefined, /no axis 2/],
    [{ kind: "concat", axis: 1 }, [f32(2, 3), f32(3, 3)], undefined, /differ in more than axis 1/],
    [{ kind: "transpose", order: [0, 0] }, [f32(2, 3)], undefined, /no order of 2 axes/],
  ];
  for (const [op, inputs, declared, message] of cases) {
    const b = new ArrayBuilder();
    const values = inputs.map((type, i) => b.add({ kind: "input", name: `${i}` }, [], type));
    assert.throws(
      () => b.add(op, values, declared),
      (error) => error instanceof UserError && message.test(error.message),
    );
  }
});
