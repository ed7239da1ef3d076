/**
 * A prover of equality from the operators' axioms, by rewriting to a normal form: concatenations outermost, then sums, then
 * elementwise products, then chains of matrix products over variables, transposed variables and functions.
 *
 * The axioms, used from left to right: products and sums are associative and (but for matrix products) commutative;
 * products distribute over sums, and over concatenations on their outer sides; concatenations that face each other inside
 * a product give a sum; elementwise operators and functions go into concatenations; a split undoes a concatenation;
 * transposition is its own inverse, turns products round, and goes into everything. What no axiom moves is an atom,
 * written with the normal forms of its parts: so equal normal forms prove equality, and unequal ones prove nothing.
 */
import type { Operator, Pattern, Substitution } from "./algebra.ts";

type Value =
  /** A sum of elementwise products of chains of atoms; each list but the chains is sorted. */
  | { readonly kind: "sum"; readonly addends: readonly Product[] }
  | { readonly kind: "concat"; readonly axis: 0 | 1; readonly low: Value; readonly high: Value };
type Concat = Extract<Value, { kind: "concat" }>;
type Sum = Extract<Value, { kind: "sum" }>;
type Product = readonly Chain[];
type Chain = readonly string[];

export function proves({ source, target }: Substitution): boolean {
  const [a, b] = [normalForms(source), normalForms(target)];
  return a.every((form, i) => form === b[i]);
}

/** Of each output. */
function normalForms(pattern: Pattern): string[] {
  const values: Value[] = Array.from({ length: pattern.variables }, (_, v) =>
    pattern.cut.includes(v) ? { kind: "concat", axis: 1, low: atom(`v${v}.0`), high: atom(`v${v}.1`) } : atom(`v${v}`),
  );
  for (const { op, inputs } of pattern.steps) {
    const [a, b] = inputs.map((i) => values[i]!) as [Value, Value];
    if (op === "split0" || op === "split1") {
      const axis = op === "split0" ? 0 : 1;
      values.push(half(a, axis, "low"), half(a, axis, "high"));
    } else values.push(operate(op, a, b));
  }
  return pattern.outputs.map((o) => text(values[o]!));
}

const atom = (name: string): Sum => ({ kind: "sum", addends: [[[name]]] });

function operate(op: Exclude<Operator, "split0" | "split1">, a: Value, b: Value): Value {
  switch (op) {
    case "matmul":
      return matmul(a, b);
    case "add":
    case "mul":
      return elementwise(op, a, b);
    case "map":
      return inside(a, mapped);
    case "transpose":
      return transpose(a);
    case "concat0":
      return below(a, b);
    case "concat1":
      return { kind: "concat", axis: 1, low: a, high: b };
  }
}

/** Columns are put together outside of rows, where both are. */
function below(a: Value, b: Value): Value {
  if (a.kind === "concat" && b.kind === "concat" && a.axis === 1 && b.axis === 1)
    return { kind: "concat", axis: 1, low: below(a.low, b.low), high: below(a.high, b.high) };
  return { kind: "concat", axis: 0, low: a, high: b };
}

function rebuilt(x: Concat, f: (part: Value) => Value): Value {
  return x.axis === 0 ? below(f(x.low), f(x.high)) : { ...x, low: f(x.low), high: f(x.high) };
}

const inside = (x: Value, f: (sum: Sum) => Value): Value =>
  x.kind === "concat" ? rebuilt(x, (part) => inside(part, f)) : f(x);

function transpose(x: Value): Value {
  if (x.kind === "concat") {
    const [low, high] = [transpose(x.low), transpose(x.high)];
    return x.axis === 1 ? below(low, high) : { kind: "concat", axis: 1, low, high };
  }
  const turned = (name: string): string => (name.startsWith("T ") ? name.slice(2) : `T ${name}`);
  return sum(x.addends.map((product) => product.map((chain) => chain.toReversed().map(turned))));
}

/** f(xᵀ) is f(x)ᵀ: of the two forms of what it is of, the lesser is written. */
function mapped(x: Sum): Sum {
  const [straight, turned] = [text(x), text(transpose(x))];
  return straight <= turned ? atom(`f(${straight})`) : atom(`T f(${turned})`);
}

function matmul(a: Value, b: Value): Value {
  if (b.kind === "concat" && b.axis === 1) return { ...b, low: matmul(a, b.low), high: matmul(a, b.high) };
  if (a.kind === "concat" && a.axis === 0) return below(matmul(a.low, b), matmul(a.high, b));
  if (a.kind === "concat" && b.kind === "concat")
    return elementwise("add", matmul(a.low, b.low), matmul(a.high, b.high));
  if (a.kind === "concat" || b.kind === "concat") return atom(`(${text(a)})·(${text(b)})`);
  return sum(a.addends.flatMap((x) => b.addends.map((y) => [[...chainOf(x), ...chainOf(y)]])));
}

/** An elementwise product is one atom to a matrix product. */
const chainOf = (product: Product): Chain => (product.length === 1 ? product[0]! : [`(${textOf(product)})`]);

function elementwise(op: "add" | "mul", a: Value, b: Value): Value {
  if (a.kind === "concat" && b.kind === "concat" && a.axis === b.axis) {
    const [low, high] = [elementwise(op, a.low, b.low), elementwise(op, a.high, b.high)];
    return a.axis === 0 ? below(low, high) : { ...a, low, high };
  }
  if (a.kind === "concat" || b.kind === "concat") return atom(`(${[text(a), text(b)].sort().join(` ${op} `)})`);
  if (op === "add") return sum([...a.addends, ...b.addends]);
  return sum(a.addends.flatMap((x) => b.addends.map((y) => [...x, ...y])));
}

function half(x: Value, axis: 0 | 1, part: "low" | "high"): Value {
  if (x.kind === "sum") return atom(`${part}${axis}(${text(x)})`);
  return x.axis === axis ? x[part] : rebuilt(x, (inner) => half(inner, axis, part));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function sum(addends: readonly Product[]): Sum {
  const products = addends.map((p) => p.toSorted((x, y) => compare(x.join("·"), y.join("·"))));
  return { kind: "sum", addends: products.toSorted((x, y) => compare(textOf(x), textOf(y))) };
}

const textOf = (product: Product): string => product.map((chain) => chain.join("·")).join("*");

/** Concatenations along one axis are associative, so they are written as lists. */
function text(x: Value): string {
  if (x.kind === "sum") return x.addends.map(textOf).join(" + ");
  const list = (v: Value): string[] =>
    v.kind === "concat" && v.axis === x.axis ? [...list(v.low), ...list(v.high)] : [text(v)];
  return `[${list(x).join(x.axis === 1 ? " | " : " ; ")}]`;
}
