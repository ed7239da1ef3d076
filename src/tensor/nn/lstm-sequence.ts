/**
 * A whole sequence of LSTM steps with its gradient. By the rules each step would add a product to the gradient of the weight;
 * here the gates' gradients of all steps are one matrix, and the weight's gradient one product.
 */
import type { ArrayValue } from "../../graph/array-builder.ts";
import type { ArrayMath } from "../../graph/array-math.ts";
import { compute, type Recipe } from "../compute.ts";
import type { Tensor } from "../tensor.ts";

/** One step's gates after their functions, the cell, its tanh, and what came before: each [N, W]. */
interface Step {
  readonly i: ArrayValue;
  readonly f: ArrayValue;
  readonly g: ArrayValue;
  readonly o: ArrayValue;
  readonly c: ArrayValue;
  readonly tanhC: ArrayValue;
  readonly h: ArrayValue;
  readonly hBefore: ArrayValue;
  readonly cBefore: ArrayValue;
}

function unrolled(m: ArrayMath, [given, weight, bias, h0, c0]: readonly ArrayValue[]): readonly Step[] {
  const [count, n, gates] = given!.type.shape as [number, number, number];
  const width = gates / 4;
  const steps: Step[] = [];
  let [h, c] = [h0!, c0!];
  for (let t = 0; t < count; t++) {
    const own = m.reshape(m.slice(given!, [t, 0, 0], [1, n, gates]), [n, gates]);
    const all = m.add(own, m.add(m.matmul(h, weight!, false, true), m.broadcast(bias!, [n, gates])));
    const gate = (k: number): ArrayValue => m.slice(all, [0, k * width], [n, width]);
    const [i, f, o] = [0, 1, 3].map((k) => m.unary("sigmoid", gate(k))) as [ArrayValue, ArrayValue, ArrayValue];
    const g = m.unary("tanh", gate(2));
    const next = m.add(m.mul(f, c), m.mul(i, g));
    const tanhC = m.unary("tanh", next);
    const step = { i, f, g, o, c: next, tanhC, h: m.mul(o, tanhC), hBefore: h, cBefore: c };
    steps.push(step);
    [h, c] = [step.h, next];
  }
  return steps;
}

const stacked = (m: ArrayMath, list: readonly ArrayValue[]): ArrayValue =>
  m.concat(
    list.map((x) => m.reshape(x, [1, ...x.type.shape])),
    0,
  );

function gradients(m: ArrayMath, inputs: readonly ArrayValue[], seeds: readonly ArrayValue[]): readonly ArrayValue[] {
  const [given, weight] = inputs as [ArrayValue, ArrayValue];
  const [count, n, gates] = given.type.shape as [number, number, number];
  const width = gates / 4;
  const steps = unrolled(m, inputs);
  const slope = (y: ArrayValue): ArrayValue => m.mul(y, m.sub(m.fill(y, 1), y));
  const slopeOfTanh = (y: ArrayValue): ArrayValue => m.sub(m.fill(y, 1), m.unary("square", y));
  const ofGates: ArrayValue[] = [];
  let [dh, dc] = [m.constant(0, [n, width]), seeds[1]!];
  for (const [t, { i, f, g, o, tanhC, cBefore }] of [...steps.entries()].toReversed()) {
    dh = m.add(dh, m.reshape(m.slice(seeds[0]!, [t, 0, 0], [1, n, width]), [n, width]));
    dc = m.add(dc, m.mul(m.mul(dh, o), slopeOfTanh(tanhC)));
    const parts = [
      m.mul(m.mul(dc, g), slope(i)),
      m.mul(m.mul(dc, cBefore), slope(f)),
      m.mul(m.mul(dc, i), slopeOfTanh(g)),
      m.mul(m.mul(dh, tanhC), slope(o)),
    ];
    const own = m.concat(parts, 1);
    ofGates.unshift(own);
    dh = m.matmul(own, weight);
    dc = m.mul(dc, f);
  }
  const all = stacked(m, ofGates);
  const rows = m.reshape(all, [count * n, gates]);
  const before = m.reshape(
    stacked(
      m,
      steps.map(({ hBefore }) => hBefore),
    ),
    [count * n, width],
  );
  return [all, m.matmul(rows, before, true), m.reshape(m.sum(rows, [0]), [gates]), dh, dc];
}

/**
 * (given [T, N, 4 · W], what the inputs give to the gates; weight [4 · W, W]; bias [4 · W]; h and c [N, W]) → every step's h
 * [T, N, W], and the last c.
 */
export function lstmSequence(
  given: Tensor,
  weight: Tensor,
  bias: Tensor,
  h: Tensor,
  c: Tensor,
): readonly [Tensor, Tensor] {
  const recipe: Recipe = {
    name: "lstm",
    key: "lstm",
    build(m, inputs) {
      const steps = unrolled(m, inputs);
      return [
        stacked(
          m,
          steps.map((s) => s.h),
        ),
        steps.at(-1)!.c,
      ];
    },
    vjp: (m, inputs, _, seeds) => gradients(m, inputs, seeds),
  };
  return compute(recipe, [given, weight, bias, h, c]) as readonly [Tensor, Tensor];
}
