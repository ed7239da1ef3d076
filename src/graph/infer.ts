/** The typing rules, one for each operation: a missing rule does not compile. */
import { UserError } from "../core/errors.ts";
import type { Dim, Op, OpKind, Shape, Type } from "./ir.ts";

type Fail = (why: string) => never;
type Rule<O extends Op> = (inputs: readonly Type[], fail: Fail, declared: Type | undefined, op: O) => Type;

/** Rows are padded to it, so a cut at its multiples leaves whole vectors on both sides. */
const columnBlock = 32;

const rules: { readonly [K in OpKind]: Rule<Extract<Op, { kind: K }>> } = {
  input: (_, fail, declared) => declared ?? fail("it needs a declared type"),
  weight: (_, fail, declared) => declared ?? fail("it needs a declared type"),
  embed: ([tokens, table], fail) => {
    if (tokens?.dtype !== "i32") fail("the first input must be i32 tokens");
    if (table?.shape.length !== 2) fail("the table must be [V, D]");
    return f32([tokens!.shape[0]!, table!.shape[1]!]);
  },
  linear: ([x, w, bias], fail) => {
    if (x?.shape.length !== 2 || w?.shape.length !== 2) fail("it takes [T, K] and [N, K]");
    if (x!.shape[1] !== w!.shape[1]) fail("K differs");
    if (bias !== undefined && `${bias.shape}` !== `${w!.shape[0]}`) fail("the bias must be [N]");
    return f32([x!.shape[0]!, w!.shape[0]!]);
  },
  rmsNorm: ([x, w], fail) => {
    if (x?.shape.at(-1) !== w?.shape[0] || w?.shape.length !== 1) fail("the weight must match the last dimension");
    return x!;
  },
  reshape: ([x], fail, declared) => {
    if (declared === undefined) return fail("it needs a declared type");
    if (`${extent(x!.shape)}` !== `${extent(declared.shape)}`)
      fail(`[${declared.shape}] has another number of elements`);
    return declared;
  },
  rope: ([x, positions], fail) => {
    if (x?.shape.length !== 3 || positions?.dtype !== "i32") fail("it takes [T, H, C] and positions");
    return x!;
  },
  attention: ([q, k, v], fail) => {
    if (q?.shape.length !== 3 || k?.shape.length !== 3) fail("it takes [T, H, C] and twice [T, G, C]");
    if (`${k!.shape}` !== `${v?.shape}` || q!.shape[2] !== k!.shape[2]) fail("the heads differ in width");
    if (Number(q!.shape[1]) % Number(k!.shape[1]) !== 0) fail("H must be a multiple of G");
    return q!;
  },
  cacheStore: ([k, v], fail) => {
    if (k?.shape.length !== 3 || `${k.shape}` !== `${v?.shape}`) fail("it takes twice [T, G, C]");
    return k!;
  },
  add: same,
  mul: same,
  gelu: ([x]) => x!,
  silu: ([x]) => x!,
  relu: ([x]) => x!,
  concat: (inputs, fail) => {
    const [first] = inputs;
    if (inputs.some((x) => x.dtype !== "f32" || x.shape.length !== 2 || x.shape[0] !== first!.shape[0]))
      fail("it takes [T, D] of one T");
    const widths = inputs.map((x) => Number(x.shape[1]));
    if (widths.length < 2 || widths.slice(0, -1).some((w) => w % columnBlock !== 0))
      fail(`all but the last must be multiples of ${columnBlock} wide`);
    return f32([first!.shape[0]!, widths.reduce((sum, w) => sum + w, 0)]);
  },
  slice: ([x], fail, _, { from, to }) => {
    if (x?.dtype !== "f32" || x.shape.length !== 2) fail("it takes [T, D]");
    const width = Number(x!.shape[1]);
    if (from < 0 || to <= from || to > width) fail(`there are no columns ${from} … ${to}`);
    if (from % columnBlock !== 0 || (to !== width && to % columnBlock !== 0))
      fail(`columns are cut at multiples of ${columnBlock}`);
    return f32([x!.shape[0]!, to - from]);
  },
  gather: ([x, rows], fail) => {
    if (x?.shape.length !== 2 || rows?.dtype !== "i32") fail("it takes [T, D] and rows");
    return f32([rows!.shape[0]!, x!.shape[1]!]);
  },
  gate: same,
  quantize: ([x], fail) => {
    if (x?.dtype !== "f32" || Number(x.shape[1]) % 32 !== 0) fail("rows must be a multiple of 32 wide");
    return { dtype: "q8", shape: x!.shape };
  },
  narrow: ([x], fail) => {
    if (x?.dtype !== "f32") fail("it takes f32");
    return { dtype: "bf16", shape: x!.shape };
  },
  rowMaxima: runs,
  rowSums: runs,
};

function runs([x]: readonly Type[], fail: (why: string) => never): Type {
  return x?.shape.length === 2 ? f32([x.shape[0]!, Math.ceil(Number(x.shape[1]) / 256)]) : fail("it takes [S, V]");
}

function same([a, b]: readonly Type[], fail: (why: string) => never): Type {
  return `${a?.shape}` === `${b?.shape}` ? a! : fail("the shapes differ");
}

const f32 = (shape: Shape): Type => ({ dtype: "f32", shape });

/** The number of elements: [product of the numbers, the named dimensions]. */
function extent(shape: Shape): readonly [number, string] {
  const named = shape.filter((d: Dim) => typeof d === "string");
  return [shape.reduce<number>((n, d) => (typeof d === "number" ? n * d : n), 1), named.toSorted().join()];
}

/** The type of `op` over `inputs`. Throws a `UserError` that names the operation, the shapes and what is wrong. */
export function infer(op: Op, inputs: readonly Type[], declared?: Type): Type {
  const fail = (why: string): never => {
    throw new UserError(
      `${op.kind} over ${inputs.map((t) => `${t.dtype}[${t.shape}]`).join(", ") || "nothing"}: ${why}.`,
    );
  };
  return (rules[op.kind] as Rule<Op>)(inputs, fail, declared, op);
}
