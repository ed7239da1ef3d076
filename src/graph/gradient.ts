/**
 * Reverse-mode differentiation: one table, a rule for each operation, typed so that a missing rule does not compile.
 *
 * The gradient of a graph is more of the same graph, so it can be differentiated again, batched and compiled like any other.
 * The gradient of an array is f32 whatever the array's type: what bf16 operands give is accumulated without being rounded.
 */
import { type ArrayOp, type ArrayOpKind, sizeOf } from "./array.ts";
import type { ArrayBuilder, ArrayValue } from "./array-builder.ts";
import { ArrayMath } from "./array-math.ts";
import { attentionGradient } from "./gradient-attention.ts";
import { binaryGradient, unaryGradient } from "./gradient-elements.ts";
import { chosenByMaximum } from "./gradient-pool.ts";
import type { NodeId } from "./ir.ts";

/** A node whose gradient is known, being differentiated. */
interface Point<O extends ArrayOp> {
  readonly m: ArrayMath;
  readonly op: O;
  readonly inputs: readonly ArrayValue[];
  readonly output: ArrayValue;
  /** The gradient of the output, f32. */
  readonly dy: ArrayValue;
}

/** For each input how its gradient is made, if it has one; called only where it is wanted. */
type Rule<O extends ArrayOp> = (point: Point<O>) => readonly ((() => ArrayValue) | undefined)[];

/** Piecewise constant, or of nothing that has a gradient. */
const none = (): readonly undefined[] => [];

const rules: { readonly [K in ArrayOpKind]: Rule<Extract<ArrayOp, { kind: K }>> } = {
  input: none,
  constant: none,
  iota: none,
  random: none,
  argmax: none,
  unary: ({ m, op, inputs: [x], output, dy }) => [() => unaryGradient(m, op.fn, x!, output, dy)],
  binary: ({ m, op, inputs: [a, b], output, dy }) => binaryGradient(m, op.fn, a!, b!, output, dy),
  where: ({ m, inputs: [condition], dy }) => [
    undefined,
    () => m.where(condition!, dy, m.fill(dy, 0)),
    () => m.where(condition!, m.fill(dy, 0), dy),
  ],
  cast: ({ inputs: [x], output, dy }) => (x!.type.dtype === "i32" || output.type.dtype === "i32" ? [] : [() => dy]),
  reshape: ({ m, inputs: [x], dy }) => [() => m.reshape(dy, x!.type.shape)],
  transpose: ({ m, op, dy }) => [
    () =>
      m.transpose(
        dy,
        op.order.map((_, i) => op.order.indexOf(i)),
      ),
  ],
  expand: ({ m, inputs: [x], dy }) => [
    () => {
      const axes = x!.type.shape.flatMap((d, i) => (d === dy.type.shape[i] ? [] : [i]));
      return m.sum(dy, axes);
    },
  ],
  slice: ({ m, op, inputs: [x], dy }) => [
    () => {
      if (sizeOf(dy.type.shape) === 0) return m.constant(0, x!.type.shape);
      const high = x!.type.shape.map((d, i) => d - (op.starts[i]! + (dy.type.shape[i]! - 1) * op.steps[i]! + 1));
      const interior = op.steps.map((step) => step - 1);
      return m.pad(dy, op.starts, high, 0, interior);
    },
  ],
  pad: ({ m, op, inputs: [x], dy }) => [
    () =>
      m.slice(
        dy,
        op.low,
        x!.type.shape,
        op.interior.map((n) => n + 1),
      ),
  ],
  flip: ({ m, op, dy }) => [() => m.flip(dy, op.axes)],
  concat: ({ m, op, inputs, dy }) => {
    let before = 0;
    return inputs.map(({ type: { shape } }) => {
      const starts = shape.map(() => 0).with(op.axis, before);
      before += shape[op.axis]!;
      return () => m.slice(dy, starts, shape);
    });
  },
  reduce: ({ m, op, inputs: [x], output, dy }) => [
    () => {
      const { shape } = x!.type;
      if (op.fn === "sum") return m.expand(dy, shape);
      // Equal maxima share the gradient evenly, as PyTorch's amax has it.
      const greatest = m.binary("eq", x!, m.expand(output, shape));
      return m.mul(greatest, m.expand(m.div(dy, m.sum(greatest, op.axes)), shape));
    },
  ],
  cumsum: ({ m, op, dy }) => [() => m.flip(m.builder.add(op, [m.flip(dy, [op.axis])]), [op.axis])],
  matmul: ({ m, op: { transposeA, transposeB }, inputs: [a, b], dy }) => {
    const g = m.cast(dy, a!.type.dtype);
    return [
      () => (transposeA ? m.matmul(b!, g, transposeB, true) : m.matmul(g, b!, false, !transposeB)),
      () => (transposeB ? m.matmul(g, a!, true, transposeA) : m.matmul(a!, g, !transposeA, false)),
    ];
  },
  // The three convolutions are the partial derivatives of one sum of products of x, w and dy: each one's are the other two.
  conv2d: ({ m, op, inputs: [x, w], dy }) => {
    const g = m.cast(dy, x!.type.dtype);
    return [
      () => m.builder.add({ ...op, kind: "conv2dInput" }, [g, w!], { dtype: "f32", shape: x!.type.shape }),
      () => m.builder.add({ ...op, kind: "conv2dWeight" }, [x!, g], { dtype: "f32", shape: w!.type.shape }),
    ];
  },
  conv2dInput: ({ m, op, inputs: [y, w], dy }) => {
    const g = m.cast(dy, w!.type.dtype);
    return [
      () => m.builder.add({ ...op, kind: "conv2d" }, [g, w!]),
      () => m.builder.add({ ...op, kind: "conv2dWeight" }, [g, y!], { dtype: "f32", shape: w!.type.shape }),
    ];
  },
  conv2dWeight: ({ m, op, inputs: [x, y], dy }) => {
    const g = m.cast(dy, x!.type.dtype);
    return [
      () => m.builder.add({ ...op, kind: "conv2dInput" }, [y!, g], { dtype: "f32", shape: x!.type.shape }),
      () => m.builder.add({ ...op, kind: "conv2d" }, [x!, g]),
    ];
  },
  pool2d: ({ m, op, inputs: [x], output, dy }) => [
    () => m.builder.add({ ...op, kind: "pool2dInput" }, [x!, output, dy]),
  ],
  // Which pixels have the gradient does not change with x and y, but where maxima are equal.
  pool2dInput: ({ m, op, inputs: [x], dy }) => [
    undefined,
    undefined,
    () => (op.fn === "mean" ? m.builder.add({ ...op, kind: "pool2d" }, [dy]) : chosenByMaximum(m, op, x!, dy)),
  ],
  attention: ({ m, op, inputs, dy }) => {
    const all = (): ArrayValue => m.builder.add({ ...op, kind: "attentionInput" }, [...inputs, dy]);
    return inputs.map(({ type: { shape } }, i) => () => {
      return m.reshape(m.slice(all(), [i, ...shape.map(() => 0)], [1, ...shape]), shape);
    });
  },
  attentionInput: ({ m, op, inputs, dy }) => {
    const composed = gradient(m.builder, [attentionGradient(m, op, inputs)], inputs, { seeds: [dy] });
    return composed.map((g) => (g === undefined ? undefined : () => g));
  },
  take: ({ m, inputs: [table, indices], dy }) => [
    () => m.builder.add({ kind: "scatterAdd" }, [indices!, dy], { dtype: "f32", shape: table!.type.shape }),
  ],
  scatterAdd: ({ m, inputs: [indices], dy }) => [undefined, () => m.take(dy, indices!)],
};

export interface GradientOptions {
  /** The gradient of each output, f32 and of its shape. Without it there is one output, a single number, whose gradient is 1. */
  readonly seeds?: readonly ArrayValue[];
  /** Nodes that pass no gradient on, though their inputs depend on `wrt`. */
  readonly stops?: ReadonlySet<NodeId>;
}

/**
 * Adds to the graph of `builder` the gradients of Σ outputs · seeds with respect to `wrt`: f32, of the shapes of `wrt`;
 * undefined for what the outputs do not depend on.
 */
export function gradient(
  builder: ArrayBuilder,
  outputs: readonly ArrayValue[],
  wrt: readonly ArrayValue[],
  { seeds, stops = new Set() }: GradientOptions = {},
): readonly (ArrayValue | undefined)[] {
  const m = new ArrayMath(builder);
  const nodes = builder.nodes.slice(0, Math.max(-1, ...outputs.map(({ id }) => id)) + 1);
  const wanted = new Set(wrt.map(({ id }) => id));
  const active = nodes.map(() => false);
  for (const { id, inputs } of nodes)
    active[id] = wanted.has(id) || (!stops.has(id) && inputs.some((input) => active[input]));
  const gradients: (ArrayValue | undefined)[] = [];
  const accumulate = (id: NodeId, g: ArrayValue): void => {
    const before = gradients[id];
    gradients[id] = before === undefined ? g : m.add(before, g);
  };
  for (const [i, output] of outputs.entries())
    if (active[output.id]) accumulate(output.id, seeds?.[i] ?? m.constant(1, output.type.shape));
  for (const node of nodes.toReversed()) {
    const dy = gradients[node.id];
    if (dy === undefined || stops.has(node.id)) continue;
    const inputs = node.inputs.map((id) => ({ id, type: nodes[id]!.type }));
    const rule = rules[node.op.kind] as Rule<ArrayOp>;
    const made = rule({ m, op: node.op, inputs, output: { id: node.id, type: node.type }, dy });
    for (const [i, id] of node.inputs.entries()) {
      const g = active[id] ? made[i]?.() : undefined;
      if (g !== undefined) accumulate(id, g);
    }
  }
  return wrt.map(({ id }) => gradients[id]);
}
