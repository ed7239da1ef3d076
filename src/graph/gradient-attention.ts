/** Attention's gradient out of smaller operations, for derivatives of that gradient: nobody trains through it, but it is exact. */
import type { ArrayOp } from "./array.ts";
import type { ArrayValue } from "./array-builder.ts";
import type { ArrayMath } from "./array-math.ts";

type AttentionGradient = Extract<ArrayOp, { kind: "attentionInput" }>;

/** What `attentionInput` of (q, k, v, dy) is, as a graph of its own. */
export function attentionGradient(
  m: ArrayMath,
  { causal, scale }: AttentionGradient,
  [q, k, v, dy]: readonly ArrayValue[],
): ArrayValue {
  const raw = m.mul(m.matmul(q!, k!, false, true), scale);
  const { shape } = raw.type;
  const [rows, columns] = [m.iota(shape, shape.length - 2), m.iota(shape, shape.length - 1)];
  const scores = causal ? m.where(m.binary("le", columns, rows), raw, m.fill(raw, -1e30)) : raw;
  const along = [shape.length - 1];
  const wide = (x: ArrayValue): ArrayValue => m.expand(x, shape);
  const powers = m.unary("exp", m.sub(scores, wide(m.max(scores, along))));
  const p = m.div(powers, wide(m.sum(powers, along)));
  const g = m.matmul(dy!, v!, false, true);
  const ds = m.mul(m.mul(p, m.sub(g, wide(m.sum(m.mul(p, g), along)))), scale);
  const gradients = [m.matmul(ds, k!), m.matmul(ds, q!, true), m.matmul(p, dy!, true)];
  return m.concat(
    gradients.map((x) => m.reshape(x, [1, ...x.type.shape])),
    0,
  );
}
