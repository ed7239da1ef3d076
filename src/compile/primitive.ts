/**
 * Primitive: the set of operations on two-dimensional blocks that kernels are built from. A kernel is loops over blocks that call
 * them (`primitive-kernels.ts`), written once; an entry says how each primitive becomes instructions for a target, shape and
 * precision.
 *
 * Each sum runs over its terms in order, one rounding a term, and sums along rows have sixteen parts: so all entries give the
 * same bits on every level that rounds a product and a sum once.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { primitiveIndex } from "./primitive.index.ts";
import type { Int } from "./tile.ts";
import type { TileBuilder } from "./tile-builder.ts";

/** `rows` × `columns` elements, rows `rowBytes` apart. Blocks of bf16 are read, never written, and have whole vectors. */
export interface Block {
  readonly base: Int;
  readonly rowBytes: number;
  readonly rows: number;
  readonly columns: number;
  readonly precision?: "f32" | "bf16";
}

/** `scale` multiplies with a number. */
export type UnaryPrimitive = "copy" | "scale" | "relu" | "exp" | "sigmoid" | "tanh" | "gelu" | "reciprocal";
export type BinaryPrimitive = "add" | "sub" | "mul";
/** The second operand is a block, one row for all rows, or one column for all columns. */
export type Repeat = "none" | "row" | "column";

/** Pairs of blocks of one shape: those of pair i lie `a[i]` and `b[i]` bytes behind the first. */
export interface Batch {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

export interface Primitive {
  /** c = Σ A_i B_i, over the pairs in order and their inner extent; plus what c holds where `accumulate`. */
  brgemm(b: TileBuilder, x: Block, y: Block, batch: Batch, c: Block, accumulate: boolean): void;
  unary(b: TileBuilder, fn: UnaryPrimitive, x: Block, out: Block, by?: number): void;
  binary(b: TileBuilder, fn: BinaryPrimitive, x: Block, y: Block, repeat: Repeat, out: Block): void;
  /** out = x · y + z. */
  ternary(b: TileBuilder, x: Block, y: Block, z: Block, out: Block): void;
  /** Of each row; out has one column. Rows are whole runs of sixteen. */
  reduce(b: TileBuilder, fn: "sum" | "max", x: Block, out: Block): void;
  /** out = xᵀ; extents are multiples of four. */
  transform(b: TileBuilder, x: Block, out: Block): void;
  /** Row i of out is the row of the table that the i-th of the i32 at `indices` names. */
  gather(b: TileBuilder, table: Block, indices: Int, out: Block): void;
}

export const primitiveSets = slot<Primitive>("compile/primitive", primitiveIndex);

/** Types an entry, and returns it unchanged. */
export const primitiveSet = <const O extends Options>(entry: Entry<Primitive, O>): Entry<Primitive, O> => entry;
