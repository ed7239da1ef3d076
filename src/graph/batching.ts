/**
 * Batching, `vmap`: a graph over one example becomes a graph over many, which lie along a new first axis. One table, a rule for
 * each operation, typed so that a missing rule does not compile. What does not depend on a batched input stays as it was.
 */
import type { ArrayGraph, ArrayOp, ArrayOpKind, ArrayType, Convolution } from "./array.ts";
import type { ArrayBuilder, ArrayValue } from "./array-builder.ts";
import { ArrayMath } from "./array-math.ts";

/** A value, and whether its first axis is the batch. */
export interface Batched {
  readonly value: ArrayValue;
  readonly batched: boolean;
}

/** A node with at least one batched input. */
interface Point<O extends ArrayOp> {
  readonly m: ArrayMath;
  readonly op: O;
  readonly inputs: readonly Batched[];
  /** The input, repeated along the new axis where it was not batched. */
  readonly whole: (i: number) => ArrayValue;
  /** Extent of the new axis. */
  readonly n: number;
  /** Of one example's result. */
  readonly type: ArrayType;
}

type Rule<O extends ArrayOp> = (point: Point<O>) => ArrayValue;

const unreachable = (): never => {
  throw new Error("bug: an operation without inputs cannot be batched");
};

const same: Rule<ArrayOp> = ({ m, op, inputs, whole }) =>
  m.builder.add(
    op,
    inputs.map((_, i) => whole(i)),
  );

const rules: { readonly [K in ArrayOpKind]: Rule<Extract<ArrayOp, { kind: K }>> } = {
  input: unreachable,
  constant: unreachable,
  iota: unreachable,
  unary: same,
  binary: same,
  where: same,
  cast: ({ m, whole, type }) => m.cast(whole(0), type.dtype),
  reshape: ({ m, whole, n, type }) => m.reshape(whole(0), [n, ...type.shape]),
  transpose: ({ m, op, whole }) => m.transpose(whole(0), [0, ...op.order.map((axis) => axis + 1)]),
  expand: ({ m, whole, n, type }) => m.expand(whole(0), [n, ...type.shape]),
  slice: ({ m, op, whole, n, type }) => m.slice(whole(0), [0, ...op.starts], [n, ...type.shape], [1, ...op.steps]),
  pad: ({ m, op, whole }) => m.pad(whole(0), [0, ...op.low], [0, ...op.high], op.value, [0, ...op.interior]),
  flip: ({ m, op, whole }) =>
    m.flip(
      whole(0),
      op.axes.map((axis) => axis + 1),
    ),
  concat: ({ m, op, inputs, whole }) =>
    m.concat(
      inputs.map((_, i) => whole(i)),
      op.axis + 1,
    ),
  reduce: ({ m, op, whole }) => m.builder.add({ ...op, axes: op.axes.map((axis) => axis + 1) }, [whole(0)]),
  argmax: ({ m, op, whole }) => m.builder.add({ ...op, axis: op.axis + 1 }, [whole(0)]),
  cumsum: ({ m, op, whole }) => m.builder.add({ ...op, axis: op.axis + 1 }, [whole(0)]),
  matmul: ({ m, op, inputs: [a, b], whole, n, type }) => {
    const isRows = a!.batched && !b!.batched && b!.value.type.shape.length === 2 && !op.transposeA;
    if (!isRows) return m.builder.add(op, [whole(0), whole(1)]);
    const rows = m.reshape(a!.value, [n * type.shape[0]!, a!.value.type.shape[2]!]);
    return m.reshape(m.builder.add(op, [rows, b!.value]), [n, ...type.shape]);
  },
  conv2d: (point) => {
    if (!point.inputs[1]!.batched) return asImages(point, [0]);
    const { m, op, whole, n, type } = point;
    const merged = m.builder.add(manyGroups(op, n), [channelsIn(m, whole(0)), channelsIn(m, whole(1))]);
    return channelsOut(m, merged, n, type);
  },
  conv2dInput: (point) => {
    if (!point.inputs[1]!.batched) return asImages(point, [0]);
    const { m, op, whole, n, type } = point;
    const inputs = [channelsIn(m, whole(0)), channelsIn(m, whole(1))];
    return channelsOut(m, m.builder.add(manyGroups(op, n), inputs, widened(type, n)), n, type);
  },
  conv2dWeight: ({ m, op, whole, n, type }) => {
    const inputs = [channelsIn(m, whole(0)), channelsIn(m, whole(1))];
    return channelsOut(m, m.builder.add(manyGroups(op, n), inputs, widened(type, n)), n, type);
  },
  pool2d: (point) => asImages(point, [0]),
  pool2dInput: (point) => asImages(point, [0, 1, 2]),
  attention: same,
  attentionInput: (point) => {
    const stacked = same(point);
    return point.m.transpose(stacked, [1, 0, ...stacked.type.shape.slice(2).map((_, i) => i + 2)]);
  },
  take: ({ m, inputs: [table, indices], whole, n, type }) => {
    if (!table!.batched) return m.take(table!.value, indices!.value);
    const [, rows, ...row] = table!.value.type.shape;
    const taken = m.take(m.reshape(table!.value, [n * rows!, ...row]), apart(m, whole(1), rows!));
    return m.reshape(taken, [n, ...type.shape]);
  },
  scatterAdd: ({ m, op, whole, n, type }) => {
    const [rows, ...row] = type.shape;
    const shape = [n * rows!, ...row];
    const sums = m.builder.add(op, [apart(m, whole(0), rows!), whole(1)], { dtype: "f32", shape });
    return m.reshape(sums, [n, ...type.shape]);
  },
  random: ({ m, op, whole, n, type }) => {
    const draws = Array.from({ length: n }, (_, i) => {
      const key = m.reshape(m.slice(whole(0), [i, 0], [1, 2]), [2]);
      return m.reshape(m.builder.add(op, [key], type), [1, ...type.shape]);
    });
    return m.concat(draws, 0);
  },
};

/** Examples are more images: the inputs in `folded` join the batch to their first axis, the others are as they were. */
function asImages({ m, op, inputs, whole, n, type }: Point<ArrayOp>, folded: readonly number[]): ArrayValue {
  const operands = inputs.map(({ value }, i) => {
    if (!folded.includes(i)) return value;
    const [, images, ...rest] = whole(i).type.shape;
    return m.reshape(whole(i), [n * images!, ...rest]);
  });
  const [images, ...rest] = type.shape;
  const result = m.builder.add(op, operands, { dtype: type.dtype, shape: [n * images!, ...rest] });
  return m.reshape(result, [n, ...type.shape]);
}

const manyGroups = <O extends Convolution>(op: O, n: number): O => ({ ...op, groups: op.groups * n });

const widened = ({ dtype, shape }: ArrayType, n: number): ArrayType => ({
  dtype,
  shape: shape.with(3, shape[3]! * n),
});

/** [n, A, B, C, D] → [A, B, C, n · D]: each example has groups of channels of its own. */
function channelsIn(m: ArrayMath, x: ArrayValue): ArrayValue {
  const [n, a, b, c, d] = x.type.shape as [number, number, number, number, number];
  return m.reshape(m.transpose(x, [1, 2, 3, 0, 4]), [a, b, c, n * d]);
}

function channelsOut(m: ArrayMath, x: ArrayValue, n: number, { shape }: ArrayType): ArrayValue {
  const [a, b, c, d] = shape as [number, number, number, number];
  return m.transpose(m.reshape(x, [a, b, c, n, d]), [3, 0, 1, 2, 4]);
}

/** Indices [n, …] into n tables of `rows` rows, which lie one below the other. */
function apart(m: ArrayMath, indices: ArrayValue, rows: number): ArrayValue {
  return m.add(indices, m.mul(m.iota(indices.type.shape, 0, "i32"), rows));
}

/**
 * Adds `graph` over a batch of `n` examples to what `builder` builds. `bind` says what each input is. Returns its outputs;
 * those that depend on no batched input are not batched.
 */
export function batch(
  builder: ArrayBuilder,
  graph: ArrayGraph,
  n: number,
  bind: (name: string) => Batched,
): Readonly<Record<string, Batched>> {
  const m = new ArrayMath(builder);
  const values = new Map<number, Batched>();
  for (const node of graph.nodes) {
    if (node.op.kind === "input") {
      values.set(node.id, bind(node.op.name));
      continue;
    }
    const inputs = node.inputs.map((id) => values.get(id)!);
    if (!inputs.some(({ batched }) => batched)) {
      const operands = inputs.map(({ value }) => value);
      values.set(node.id, { value: builder.add(node.op, operands, node.type), batched: false });
      continue;
    }
    const whole = (i: number): ArrayValue => repeated(m, inputs[i]!, n);
    const rule = rules[node.op.kind] as Rule<ArrayOp>;
    values.set(node.id, { value: rule({ m, op: node.op, inputs, whole, n, type: node.type }), batched: true });
  }
  return Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, values.get(id)!]));
}

/** The value with the batch as its first axis, whether it had it or not. */
export function repeated(m: ArrayMath, { value, batched }: Batched, n: number): ArrayValue {
  if (batched) return value;
  const { shape } = value.type;
  return m.expand(m.reshape(value, [1, ...shape]), [n, ...shape]);
}
