/**
 * Random graphs of arrays. Values are kept so that rounding cannot change them much: what jumps (comparisons, casts to integers,
 * first maxima, rounding to bf16) is done only to values that every target computes exactly.
 */
import { type Random, stream } from "../core/random.ts";
import { type ArrayGraph, type ArrayOp, type ArrayType, type Binary, sizeOf, type Unary } from "../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import type { ArrayData } from "./array-oracle.ts";

export interface ArrayCase {
  readonly graph: ArrayGraph;
  readonly inputs: Readonly<Record<string, ArrayData>>;
}

const elementsMax = 3000;
const rankMax = 4;
const smooth: readonly Unary[] = [
  "neg",
  "abs",
  "exp",
  "sin",
  "cos",
  "tanh",
  "sigmoid",
  "erf",
  "relu",
  "gelu",
  "silu",
  "square",
];
const jumping: readonly Unary[] = ["neg", "abs", "sign", "floor", "relu"];
const joins: readonly Binary[] = ["add", "sub", "mul", "max", "min"];

export function randomArrays(seed: number): ArrayCase {
  return new Generator(stream(seed)).run();
}

class Generator {
  readonly #r: Random;
  readonly #b = new ArrayBuilder();
  readonly #values: { readonly v: ArrayValue; readonly exact: boolean }[] = [];
  readonly #inputs: Record<string, ArrayData> = {};

  constructor(random: Random) {
    this.#r = random;
  }

  #int = (from: number, to: number): number => from + Math.floor(this.#r() * (to - from + 1));
  #pick = <T>(list: readonly T[]): T => list[this.#int(0, list.length - 1)]!;

  run(): ArrayCase {
    const shape = this.#shape();
    for (let i = 0; i < 2; i++) this.#input(shape, "f32");
    this.#input(this.#shape(), this.#pick(["f32", "i32", "bf16"]));
    for (let i = this.#int(4, 14); i > 0; i--) this.#step();
    const last = this.#values.slice(-3);
    const outputs = Object.fromEntries([...last, this.#pick(this.#values)].map(({ v }, i) => [`out${i}`, v]));
    return { graph: this.#b.finish(outputs), inputs: this.#inputs };
  }

  #shape(): number[] {
    const extents = [1, 2, 3, 4, 5, 7, 8, 16, 17, 33, 64];
    const shape = Array.from({ length: this.#int(0, rankMax) }, () => this.#pick(extents));
    while (sizeOf(shape) > elementsMax) shape[this.#int(0, shape.length - 1)] = 2;
    return shape;
  }

  #input(shape: readonly number[], dtype: ArrayType["dtype"]): ArrayValue {
    const name = `in${Object.keys(this.#inputs).length}`;
    const size = sizeOf(shape);
    const eighths = (): number => this.#int(-16, 16) / 8;
    if (dtype === "i32") this.#inputs[name] = Int32Array.from({ length: size }, () => this.#int(-9, 9));
    else {
      const floats = Float32Array.from({ length: size }, eighths);
      this.#inputs[name] = dtype === "f32" ? floats : new Uint16Array(floats.buffer).filter((_, i) => i % 2 === 1);
    }
    return this.#keep({ kind: "input", name }, [], true, { dtype, shape });
  }

  #keep(op: ArrayOp, inputs: readonly ArrayValue[], exact: boolean, declared?: ArrayType): ArrayValue {
    const v = this.#b.add(op, inputs, declared);
    this.#values.push({ v, exact });
    return v;
  }

  #value(fits: (v: ArrayValue, exact: boolean) => boolean): { v: ArrayValue; exact: boolean } | undefined {
    const some = this.#values.filter(({ v, exact }) => fits(v, exact));
    return some.length === 0 ? undefined : this.#r() < 0.5 ? some.at(-1) : this.#pick(some);
  }

  #step(): void {
    const steps = [
      this.#local,
      this.#local,
      this.#local,
      this.#move,
      this.#move,
      this.#reduce,
      this.#product,
      this.#index,
    ];
    this.#pick(steps).call(this);
  }

  /** A value of the same type and shape: another one, or one that is made to fit. */
  #partner(v: ArrayValue): { v: ArrayValue; exact: boolean } {
    const found = this.#value(
      (x) => x !== v && x.type.dtype === v.type.dtype && `${x.type.shape}` === `${v.type.shape}`,
    );
    if (found !== undefined && this.#r() < 0.7) return found;
    if (v.type.shape.length > 0 && this.#r() < 0.5) {
      const narrow = v.type.shape.map((d) => (this.#r() < 0.5 ? 1 : d));
      const small = this.#input(narrow, v.type.dtype);
      return { v: this.#keep({ kind: "expand" }, [small], true, v.type), exact: true };
    }
    return {
      v: this.#keep({ kind: "constant", value: this.#int(-4, 4) / (v.type.dtype === "i32" ? 1 : 2) }, [], true, v.type),
      exact: true,
    };
  }

  #local(): void {
    const from = this.#value(() => true)!;
    const { v, exact } = from;
    const { dtype } = v.type;
    const whole = dtype === "i32";
    const kinds = [
      () => {
        const fn = whole ? this.#pick(["neg", "abs", "sign", "square"] as const) : this.#pick(exact ? jumping : smooth);
        this.#keep({ kind: "unary", fn: dtype === "bf16" && !jumping.includes(fn) ? "neg" : fn }, [v], exact);
      },
      () => dtype === "f32" && this.#keep({ kind: "unary", fn: this.#pick(smooth) }, [v], false),
      () => {
        const other = this.#partner(v);
        const both = exact && other.exact && dtype !== "f32";
        if (dtype === "bf16" && !both) return;
        this.#keep({ kind: "binary", fn: this.#pick(joins) }, [v, other.v], both);
      },
      () => {
        const other = this.#partner(v);
        if (!exact || !other.exact) return;
        const mask = this.#keep({ kind: "binary", fn: this.#pick(["eq", "lt", "le"] as const) }, [v, other.v], true);
        this.#keep({ kind: "where" }, [mask, v, other.v], exact && other.exact);
      },
      () => {
        if (!exact) return;
        const to = this.#pick(["f32", "i32", "bf16"] as const);
        this.#keep({ kind: "cast" }, [v], true, { dtype: to, shape: v.type.shape });
      },
    ];
    this.#pick(kinds)();
  }

  #move(): void {
    const from = this.#value((v) => v.type.shape.length > 0);
    if (from === undefined) return;
    const { v, exact } = from;
    const { shape, dtype } = v.type;
    const kinds: readonly (() => void)[] = [
      () => {
        const order = shape.map((_, i) => i);
        for (let i = order.length - 1; i > 0; i--) {
          const j = this.#int(0, i);
          [order[i], order[j]] = [order[j]!, order[i]!];
        }
        this.#keep({ kind: "transpose", order }, [v], exact);
      },
      () => this.#keep({ kind: "reshape" }, [v], exact, { dtype, shape: this.#regrouped(shape) }),
      () => {
        const starts = shape.map((d) => this.#int(0, d - 1));
        const steps = shape.map(() => this.#int(1, 2));
        const cut = shape.map((d, i) => this.#int(1, Math.ceil((d - starts[i]!) / steps[i]!)));
        this.#keep({ kind: "slice", starts, steps }, [v], exact, { dtype, shape: cut });
      },
      () => {
        const some = (most: number): number[] => shape.map(() => (this.#r() < 0.5 ? 0 : this.#int(0, most)));
        const op = { kind: "pad", low: some(2), high: some(2), interior: some(1), value: this.#int(-1, 1) } as const;
        const made = this.#b.add(op, [v]);
        if (sizeOf(made.type.shape) <= elementsMax) this.#values.push({ v: made, exact });
      },
      () => this.#keep({ kind: "flip", axes: shape.flatMap((_, i) => (this.#r() < 0.5 ? [i] : [])) }, [v], exact),
      () => {
        const axis = this.#int(0, shape.length - 1);
        if (2 * sizeOf(shape) <= elementsMax) this.#keep({ kind: "concat", axis }, [v, v], exact);
      },
    ];
    this.#pick(kinds)();
  }

  /** Neighbours joined, or extents cut in two. */
  #regrouped(shape: readonly number[]): number[] {
    if (this.#r() < 0.5) {
      const axis = this.#int(0, shape.length - 1);
      return shape.toSpliced(axis, 2, shape[axis]! * (shape[axis + 1] ?? 1));
    }
    return shape.flatMap((d) => {
      const factor = [2, 3, 4, 8, 11].find((f) => d % f === 0 && d > f);
      return factor === undefined || this.#r() < 0.5 ? [d] : [d / factor, factor];
    });
  }

  #reduce(): void {
    const from = this.#value((v) => v.type.shape.length > 0 && v.type.dtype === "f32");
    if (from === undefined) return;
    const { v, exact } = from;
    const axes = v.type.shape.flatMap((_, i) => (this.#r() < 0.5 ? [i] : []));
    const axis = this.#int(0, v.type.shape.length - 1);
    const kinds: readonly (() => void)[] = [
      () => this.#keep({ kind: "reduce", fn: "sum", axes }, [v], false),
      () => this.#keep({ kind: "reduce", fn: "max", axes }, [v], exact),
      () => this.#keep({ kind: "cumsum", axis }, [v], false),
      () => exact && this.#keep({ kind: "argmax", axis }, [v], true),
    ];
    this.#pick(kinds)();
  }

  #product(): void {
    const from = this.#value((v) => v.type.shape.length >= 2 && v.type.dtype === "f32");
    if (from === undefined) return;
    const { v } = from;
    const [transposeA, transposeB] = [this.#r() < 0.5, this.#r() < 0.5];
    const k = v.type.shape.at(transposeA ? -2 : -1)!;
    const n = this.#int(1, 20);
    const batch = v.type.shape.slice(0, -2);
    if (sizeOf(batch) * k * n > elementsMax) return;
    const other = this.#input([...batch, ...(transposeB ? [n, k] : [k, n])], "f32");
    this.#keep({ kind: "matmul", transposeA, transposeB }, [v, other], false);
  }

  #index(): void {
    const from = this.#value((v) => v.type.shape.length > 0);
    if (from === undefined) return;
    const { v, exact } = from;
    const [rows, ...rest] = v.type.shape as [number, ...number[]];
    const count = this.#int(1, 6);
    const name = `in${Object.keys(this.#inputs).length}`;
    this.#inputs[name] = Int32Array.from({ length: count }, () => this.#int(0, rows - 1));
    const indices = this.#b.add({ kind: "input", name }, [], { dtype: "i32", shape: [count] });
    const taken = this.#keep({ kind: "take" }, [v, indices], exact);
    if (v.type.dtype === "f32" && this.#r() < 0.5) {
      this.#keep({ kind: "scatterAdd" }, [indices, taken], false, { dtype: "f32", shape: [rows, ...rest] });
    }
    if (this.#r() < 0.3) this.#keep({ kind: "iota", axis: 0 }, [], true, { dtype: "f32", shape: v.type.shape });
  }
}
