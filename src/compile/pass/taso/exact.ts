/**
 * Whether a substitution computes each element by the same operations on the same numbers, so that not one bit changes: things
 * may be moved, but sums and products may not be taken in another order.
 */
import type { Pattern, Substitution } from "./algebra.ts";

type Value = string | { readonly axis: 0 | 1; readonly low: Value; readonly high: Value };

export function isExact({ source, target }: Substitution): boolean {
  const [a, b] = [computed(source), computed(target)];
  return a.every((text, i) => text === b[i]);
}

/** What each output is, with concatenations outermost. */
function computed(pattern: Pattern): string[] {
  const values: Value[] = Array.from({ length: pattern.variables }, (_, v) =>
    pattern.cut.includes(v) ? { axis: 1, low: `v${v}.0`, high: `v${v}.1` } : `v${v}`,
  );
  for (const { op, inputs } of pattern.steps) {
    const [a, b] = inputs.map((i) => values[i]!) as [Value, Value];
    if (op === "split0" || op === "split1") values.push(half(a, op, "low"), half(a, op, "high"));
    else if (op === "concat0" || op === "concat1") values.push({ axis: op === "concat0" ? 0 : 1, low: a, high: b });
    else if (op === "matmul") values.push(product(a, b));
    else if (op === "add" || op === "mul") values.push(elementwise(op, a, b));
    else values.push(op === "map" ? each(a, (x) => `f(${x})`) : `T(${text(a)})`);
  }
  return pattern.outputs.map((o) => text(values[o]!));
}

function half(x: Value, op: "split0" | "split1", part: "low" | "high"): Value {
  return typeof x !== "string" && x.axis === (op === "split0" ? 0 : 1) ? x[part] : `${op}.${part}(${text(x)})`;
}

/** Rows of the left and columns of the right are computed each for itself. */
function product(a: Value, b: Value): Value {
  if (typeof b !== "string" && b.axis === 1) return { ...b, low: product(a, b.low), high: product(a, b.high) };
  if (typeof a !== "string" && a.axis === 0) return { ...a, low: product(a.low, b), high: product(a.high, b) };
  return `(${text(a)} · ${text(b)})`;
}

function elementwise(op: "add" | "mul", a: Value, b: Value): Value {
  if (typeof a === "string" || typeof b === "string" || a.axis !== b.axis) {
    return `(${[text(a), text(b)].sort().join(` ${op} `)})`;
  }
  return { ...a, low: elementwise(op, a.low, b.low), high: elementwise(op, a.high, b.high) };
}

function each(x: Value, f: (x: string) => string): Value {
  return typeof x === "string" ? f(x) : { ...x, low: each(x.low, f), high: each(x.high, f) };
}

function text(x: Value): string {
  if (typeof x === "string") return x;
  const list = (v: Value): string[] =>
    typeof v !== "string" && v.axis === x.axis ? [...list(v.low), ...list(v.high)] : [text(v)];
  return `[${list(x).join(x.axis === 1 ? " | " : " ; ")}]`;
}
