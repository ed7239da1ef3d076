/** Primitive that go through a block vector by vector, as every set does them. */
import { exponential, gelu, notANumber, sigmoid, tanh } from "./array/functions.ts";
import { reduce16 } from "./lower/math.ts";
import type { BinaryPrimitive, Block, Primitive, UnaryPrimitive } from "./primitive.ts";
import type { F32, Int } from "./tile.ts";
import { at, type TileBuilder } from "./tile-builder.ts";

/** `count` columns from byte `offset` of a row on; fewer than there are lanes where the row ends. */
export function loadColumns(b: TileBuilder, row: Int, offset: number, count: number, precision = "f32"): F32 {
  if (precision === "bf16") return b.loadF(at(row, offset / 2), "bf16");
  return count === b.target.lanes ? b.loadF(at(row, offset)) : b.loadPartF(at(row, offset), count);
}

export function storeColumns(b: TileBuilder, row: Int, offset: number, v: F32, count: number): void {
  if (count === b.target.lanes) b.store(at(row, offset), v);
  else b.storePart(at(row, offset), v, count);
}

/** One element in every lane, `offset` bytes of f32 behind `row`. */
export function loadElement(b: TileBuilder, row: Int, index: Int, precision = "f32"): F32 {
  if (precision === "f32") return b.broadcastF(at(row, 0, index, 4));
  return b.bitsF(b.shift("shl", b.splat(b.loadInt(at(row, 0, index, 2), "u16")), 16));
}

/** The rows of a block, then its vectors: byte offset as f32, and columns. */
export function eachVector(
  b: TileBuilder,
  block: Block,
  visit: (row: Int, offset: number, count: number) => void,
): void {
  const { lanes } = b.target;
  b.for(0, block.rows, 1, (row) => {
    for (let c = 0; c < block.columns; c += lanes) visit(row, 4 * c, Math.min(lanes, block.columns - c));
  });
}

export const rowAt = (b: TileBuilder, { base, rowBytes }: Block, row: Int): Int => b.add(base, b.mul(row, rowBytes));

const unaries: { readonly [K in UnaryPrimitive]: (b: TileBuilder, x: F32, by: number) => F32 } = {
  copy: (_, x) => x,
  scale: (b, x, by) => b.fmul(x, b.constF(by)),
  relu: (b, x) => b.fmax(b.constF(0), x),
  exp: (b, x) => exponential(b, x),
  sigmoid,
  tanh,
  gelu,
  reciprocal: (b, x) => b.fdiv(b.constF(1), x),
};

const binaries: { readonly [K in BinaryPrimitive]: (b: TileBuilder, x: F32, y: F32) => F32 } = {
  add: (b, x, y) => b.fadd(x, y),
  sub: (b, x, y) => b.fsub(x, y),
  mul: (b, x, y) => b.fmul(x, y),
};

export const rowPrimitives: Omit<Primitive, "brgemm" | "transform"> = {
  unary(b, fn, x, out, by = 1) {
    eachVector(b, out, (row, offset, count) => {
      const v = loadColumns(b, rowAt(b, x, row), offset, count, x.precision);
      storeColumns(b, rowAt(b, out, row), offset, unaries[fn](b, v, by), count);
    });
  },
  binary(b, fn, x, y, repeat, out) {
    eachVector(b, out, (row, offset, count) => {
      const v = loadColumns(b, rowAt(b, x, row), offset, count, x.precision);
      const from = repeat === "row" ? y.base : rowAt(b, y, row);
      const w = repeat === "column" ? b.broadcastF(at(from)) : loadColumns(b, from, offset, count, y.precision);
      storeColumns(b, rowAt(b, out, row), offset, binaries[fn](b, v, w), count);
    });
  },
  ternary(b, x, y, z, out) {
    eachVector(b, out, (row, offset, count) => {
      const sum = loadColumns(b, rowAt(b, z, row), offset, count);
      b.fma(sum, loadColumns(b, rowAt(b, x, row), offset, count), loadColumns(b, rowAt(b, y, row), offset, count));
      storeColumns(b, rowAt(b, out, row), offset, sum, count);
    });
  },
  reduce(b, fn, x, out) {
    const { lanes } = b.target;
    b.for(0, x.rows, 1, (row) => {
      const from = rowAt(b, x, row);
      const parts = Array.from({ length: 16 / lanes }, () => b.constF(fn === "sum" ? 0 : Number.NEGATIVE_INFINITY));
      const none = b.constI(0);
      b.for(0, x.columns * 4, 64, (column) => {
        for (const [p, part] of parts.entries()) {
          const v = b.loadF(at(from, 4 * p * lanes, column));
          if (fn === "sum") b.fadd(part, v, part);
          else b.fmax(part, v, part);
          if (fn === "max") b.i32("or", none, notANumber(b, v), none);
        }
      });
      const folded = reduce16(b, fn === "sum" ? "add" : "max", parts);
      const missing = b.bitsF(b.i32("or", b.bitsI(folded), b.reduce("max", b.i32("and", none, b.constI(0x7fc00000)))));
      b.storeLane(at(rowAt(b, out, row)), fn === "sum" ? folded : missing);
    });
  },
  gather(b, table, indices, out) {
    eachVector(b, out, (row, offset, count) => {
      const from = b.add(table.base, b.mul(b.loadInt(at(indices, 0, row, 4)), table.rowBytes));
      storeColumns(b, rowAt(b, out, row), offset, loadColumns(b, from, offset, count, table.precision), count);
    });
  },
};
