/** Kernels whose work item is a row: norms, activations, sums, gathers. Rows are padded with zeros (`layout.ts`). */
import { pad, rowFloats } from "../layout.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { gelu, reduce16, silu } from "./math.ts";

/**
 * `y = x / sqrt(mean(x²) + epsilon) * w` over each of the `heads` runs of `width` of a row. Parameters x, w, y. A single
 * run may have any width; its padding stays zero because that of w is. Runs of several heads are multiples of 16 wide.
 * Rows of x are `xBytes` apart.
 */
export function lowerRmsNorm(
  target: Target,
  heads: number,
  width: number,
  epsilon: number,
  xBytes = rowBytesOf(heads * width),
): TileProgram {
  const b = new TileBuilder(target);
  const [x, w, y] = [b.param(), b.param(), b.param()];
  const runBytes = heads === 1 ? pad(width, 32) * 4 : width * 4;
  const parts = 16 / target.lanes;
  b.for(b.begin, b.end, 1, (row) => {
    const [rowFrom, rowTo] = [b.add(x, b.mul(row, xBytes)), b.add(y, b.mul(row, rowBytesOf(heads * width)))];
    b.for(0, heads, 1, (head) => {
      const start = b.mul(head, runBytes);
      const [from, to] = [b.add(rowFrom, start), b.add(rowTo, start)];
      const sums = Array.from({ length: parts }, () => b.constF(0));
      b.for(0, runBytes, 64, (i) => {
        for (const [p, sum] of sums.entries()) {
          const v = b.loadF(at(from, p * target.lanes * 4, i));
          b.fma(sum, v, v);
        }
      });
      const mean = b.fmul(reduce16(b, "add", sums), b.constF(1 / width));
      const scale = b.fdiv(b.constF(1), b.sqrt(b.fadd(mean, b.constF(epsilon))));
      b.for(0, runBytes, target.lanes * 4, (i) => {
        const scaled = b.fmul(b.loadF(at(from, 0, i)), scale);
        b.store(at(to, 0, i), b.fmul(scaled, b.loadF(at(w, 0, i))));
      });
    });
  });
  return b.finish(`rmsNorm-${heads}x${width}`);
}

export type RowOp = "add" | "mul" | "gelu" | "silu" | "relu" | "geluMul" | "siluMul";

export const rowBytesOf = (width: number): number => rowFloats(width) * 4;

const rowOps: { readonly [K in RowOp]: (b: TileBuilder, x: F32, y: () => F32) => F32 } = {
  add: (b, x, y) => b.fadd(x, y()),
  mul: (b, x, y) => b.fmul(x, y()),
  gelu: (b, x) => gelu(b, x),
  silu: (b, x) => silu(b, x),
  relu: (b, x) => b.fmax(x, b.constF(0)),
  geluMul: (b, x, y) => b.fmul(gelu(b, x), y()),
  siluMul: (b, x, y) => b.fmul(silu(b, x), y()),
};

/** Elementwise over rows of `width`. Parameters: a, (b,) out. */
export function lowerRowOp(target: Target, op: RowOp, width: number, inputs: 1 | 2): TileProgram {
  const b = new TileBuilder(target);
  const first = b.param();
  const second = inputs === 2 ? b.param() : first;
  const out = b.param();
  const stride = rowFloats(width) * 4;
  const from = b.mul(b.begin, stride);
  const to = b.mul(b.end, stride);
  b.for(from, to, target.lanes * 4, (i) => {
    const x = b.loadF(at(first, 0, i));
    b.store(
      at(out, 0, i),
      rowOps[op](b, x, () => b.loadF(at(second, 0, i))),
    );
  });
  return b.finish(`${op}-${width}`);
}

/**
 * As `lowerRowOp`, over operands whose rows are `strides` bytes apart: the slices of a wider value, read where they lie.
 * Nothing beyond a slice's own vectors is read.
 */
export function lowerStridedRowOp(target: Target, op: RowOp, width: number, strides: readonly number[]): TileProgram {
  const b = new TileBuilder(target);
  const operands = strides.map(() => b.param());
  const out = b.param();
  b.for(b.begin, b.end, 1, (row) => {
    const [x, y = x] = operands.map((o, i) => b.add(o, b.mul(row, strides[i]!)));
    const to = b.add(out, b.mul(row, rowBytesOf(width)));
    b.for(0, pad(width, 32) * 4, target.lanes * 4, (i) => {
      const v = rowOps[op](b, b.loadF(at(x!, 0, i)), () => b.loadF(at(y!, 0, i)));
      b.store(at(to, 0, i), v);
    });
  });
  return b.finish(`${op}-${width}-of-${strides.map((s) => s / 4)}`);
}

/** Rows of the operands side by side: `widths` of them, rows `strides` bytes apart. Parameters: the operands, out. */
export function lowerConcat(target: Target, widths: readonly number[], strides: readonly number[]): TileProgram {
  const b = new TileBuilder(target);
  const operands = widths.map(() => b.param());
  const out = b.param();
  const total = widths.reduce((sum, w) => sum + w, 0);
  b.for(b.begin, b.end, 1, (row) => {
    const to = b.int(b.add(out, b.mul(row, rowBytesOf(total))));
    for (const [i, width] of widths.entries()) {
      const bytes = pad(width, 32) * 4;
      copyRow(b, b.add(operands[i]!, b.mul(row, strides[i]!)), to, bytes);
      b.add(to, bytes, to);
    }
  });
  return b.finish(`concat-${widths}-of-${strides.map((s) => s / 4)}`);
}

/** `out[i] = x[rows[i]]`. Parameters x, rows, out. */
export function lowerGather(target: Target, width: number): TileProgram {
  const b = new TileBuilder(target);
  const [x, rows, out] = [b.param(), b.param(), b.param()];
  const stride = rowFloats(width) * 4;
  b.for(b.begin, b.end, 1, (row) => {
    const from = b.add(x, b.mul(b.loadInt(at(rows, 0, row, 4)), stride));
    copyRow(b, from, b.add(out, b.mul(row, stride)), stride);
  });
  return b.finish(`gather-${width}`);
}

/** Copies `bytes`, a multiple of 64. */
export function copyRow(b: TileBuilder, from: Int, to: Int, bytes: number): void {
  b.for(0, bytes, b.target.lanes * 4, (i) => b.store(at(to, 0, i), b.loadF(at(from, 0, i))));
}
