/** Attention as one operation is what it is with the same mask, whose scores are stored: results, gradients, second gradients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { autocast, grad, jit, randn, type Tensor, tensor } from "./index.ts";
import { attention } from "./products.ts";

const near = (a: Tensor, b: Tensor, what: string): void => {
  const [x, y] = [a.data(), b.data()];
  for (const [i, value] of x.entries()) assert.ok(Math.abs(value - y[i]!) < 2e-5, `${what} ${i}: ${value}, ${y[i]}`);
};

test("under autocast operands are rounded, and scores are not", () => {
  const [q, k, v] = [0, 1, 2].map(() => randn([2, 5, 32])) as [Tensor, Tensor, Tensor];
  const [x, y, w] = [q, k, v].map((t) => t.to("bf16").to("f32")) as [Tensor, Tensor, Tensor];
  near(
    autocast(() => attention(q, k, v)),
    attention(x, y, w),
    "result",
  );
});

for (const causal of [true, false]) {
  test(`attention${causal ? ", causal" : ""}`, () => {
    const length = 21;
    const rows = Array.from({ length }, (_, i) => Array.from({ length }, (_, j) => (!causal || j <= i ? 1 : 0)));
    const mask = tensor(rows);
    const given = [0, 1, 2].map(() => randn([2, 3, length, 16]));
    const inOne = ([q, k, v]: readonly Tensor[]): Tensor => attention(q!, k!, v!, { causal });
    const stored = ([q, k, v]: readonly Tensor[]): Tensor => attention(q!, k!, v!, {}, mask);
    near(inOne(given), stored(given), "result");
    const weighed = (f: (given: readonly Tensor[]) => Tensor) => (of: Tensor[]) => f(of).square().sum();
    const first = [inOne, stored].map((f) => grad(weighed(f))(given));
    const compiled = jit(grad(weighed(inOne)))(given);
    const second = [inOne, stored].map((f) =>
      grad((of: Tensor[]) => {
        const [dq, dk, dv] = grad(weighed(f))(of);
        return dq!.square().sum().add(dk!.square().sum()).add(dv!.sum());
      })(given),
    );
    for (const i of [0, 1, 2]) {
      near(first[0]![i]!, first[1]![i]!, `gradient ${i}`);
      near(compiled[i]!, first[1]![i]!, `compiled gradient ${i}`);
      const scale = Math.max(...second[1]![i]!.abs().data());
      near(second[0]![i]!.div(scale), second[1]![i]!.div(scale), `second gradient ${i}`);
    }
  });
}
