/** Tensors from numbers, and from nothing. */
import type { ArrayDType } from "../graph/array.ts";
import { sizeOf } from "../graph/array.ts";
import { bytesOf, computeOne } from "./compute.ts";
import { defaultRuntime } from "./default-device.ts";
import { type ElementArray, encode } from "./elements-data.ts";
import { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

export type Nested = number | readonly Nested[];

export interface TensorOptions {
  readonly dtype?: ArrayDType;
  readonly requiresGrad?: boolean;
}

/**
 * A tensor of numbers in nested arrays, or of a typed array under `shape` (of one axis by default). f32, unless it is made from
 * an Int32Array or `dtype` says otherwise; a Uint16Array holds the bits of bf16.
 */
export function tensor(
  data: Nested | ElementArray,
  { shape, dtype, requiresGrad = false }: TensorOptions & { readonly shape?: readonly number[] } = {},
): Tensor {
  if (ArrayBuffer.isView(data)) {
    const own = data instanceof Int32Array ? "i32" : data instanceof Uint16Array ? "bf16" : "f32";
    return fromElements(data, shape ?? [data.length], dtype ?? own, requiresGrad);
  }
  const extents = shapeOf(data);
  const flat =
    extents.length === 0 ? [data as number] : ((data as unknown[]).flat(Number.POSITIVE_INFINITY as 1) as number[]);
  return fromElements(flat, shape ?? extents, dtype ?? "f32", requiresGrad);
}

function fromElements(
  data: ArrayLike<number> & Iterable<number>,
  shape: readonly number[],
  dtype: ArrayDType,
  requiresGrad: boolean,
): Tensor {
  if (sizeOf(shape) !== data.length) refuse(`tensor of ${data.length} numbers`, `[${shape}] has ${sizeOf(shape)}.`);
  const storage = defaultRuntime().storage(bytesOf({ dtype, shape }));
  encode(data, dtype, storage.region);
  const made = Tensor.stored({ dtype, shape }, storage);
  if (requiresGrad) made.requireGrad();
  return made;
}

function shapeOf(data: Nested): number[] {
  if (typeof data === "number") return [];
  const inner = data.map(shapeOf);
  if (inner.some((s) => `${s}` !== `${inner[0]}`))
    refuse("tensor of nested arrays", `its parts differ in shape: [${inner.map((s) => `[${s}]`).join(", ")}].`);
  return [data.length, ...(inner[0] ?? [])];
}

/** One number, without axes. */
export const scalar = (value: number, dtype: ArrayDType = "f32"): Tensor => fromElements([value], [], dtype, false);

/** Every element is `value`. */
export function full(
  shape: readonly number[],
  value: number,
  { dtype = "f32", requiresGrad = false }: TensorOptions = {},
): Tensor {
  const made = computeOne({
    name: "full",
    key: `full ${dtype}[${shape}] ${value}`,
    build: (m) => [m.constant(value, shape, dtype)],
  });
  return requiresGrad ? made.requireGrad() : made;
}

export const zeros = (shape: readonly number[], options: TensorOptions = {}): Tensor => full(shape, 0, options);
export const ones = (shape: readonly number[], options: TensorOptions = {}): Tensor => full(shape, 1, options);
export const zerosLike = ({ shape, dtype }: Tensor): Tensor => full(shape, 0, { dtype });
export const onesLike = ({ shape, dtype }: Tensor): Tensor => full(shape, 1, { dtype });

/** `start`, `start + step`, … below `end`; i32 where all of them are whole numbers, and 0 … n - 1 of a single number. */
export function arange(from: number, to?: number, step = 1, options: TensorOptions = {}): Tensor {
  const [start, end] = to === undefined ? [0, from] : [from, to];
  const count = Math.max(0, Math.ceil((end - start) / step));
  const dtype = options.dtype ?? ([start, step].every(Number.isInteger) ? "i32" : "f32");
  return tensor(
    Float64Array.from({ length: count }, (_, i) => start + i * step),
    { ...options, dtype },
  );
}

export interface RandomOptions extends TensorOptions {
  readonly seed?: number;
  /** Streams of one seed are independent. */
  readonly stream?: number;
}

/** The key of random draws: what is drawn is a function of it, the stream and the element's index. */
export const randomKey = (seed: number, step = 0): Tensor =>
  tensor(Int32Array.of(seed, step ^ Math.floor(seed / 0x1_0000_0000)));

/** Draws by `key`; every stream of it is independent of the others. */
export function draw(fn: "normal" | "uniform", key: Tensor, shape: readonly number[], stream: number): Tensor {
  return computeOne(
    {
      name: "random",
      key: `random ${fn} ${stream} [${shape}]`,
      build: (m, [k]) => [m.builder.add({ kind: "random", fn, stream }, [k!], { dtype: "f32", shape })],
    },
    key,
  );
}

function random(fn: "normal" | "uniform", shape: readonly number[], options: RandomOptions): Tensor {
  const { seed = 0, stream = 0, dtype = "f32", requiresGrad = false } = options;
  const made = draw(fn, randomKey(seed), shape, stream).to(dtype);
  return requiresGrad ? made.requireGrad() : made;
}

/** Normally distributed, mean 0 and deviation 1. */
export const randn = (shape: readonly number[], options: RandomOptions = {}): Tensor =>
  random("normal", shape, options);
/** Uniform in [0, 1). */
export const rand = (shape: readonly number[], options: RandomOptions = {}): Tensor =>
  random("uniform", shape, options);
