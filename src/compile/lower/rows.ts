/** Kernels whose work item is a row: norms, activations, sums, gathers. Rows are padded with zeros (`layout.ts`). */
import { rowFloats } from "../layout.ts";
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { gelu, reduce16, silu } from "./math.ts";

/**
 * `y = x / sqrt(mean(x²) + epsilon) * w` over each of the `heads` runs of `width` of a row. Parameters x, w, y. A single
 * run may have any width; its padding stays zero because that of w is. Runs of several heads are multiples of 16 wide.
 */
export function lowerRmsNorm(target: Target, heads: number, width: number, epsilon: number): TileProgram {
  const b = new TileBuilder(target);
  const [x, w, y] = [b.param(), b.param(), b.param()];
  const stride = rowFloats(heads * width) * 4;
  const runBytes = heads === 1 ? stride : width * 4;
  const parts = 16 / target.lanes;
  b.for(b.begin, b.end, 1, (row) => {
    const offset = b.mul(row, stride);
    b.for(0, heads, 1, (head) => {
      const start = b.add(offset, b.mul(head, runBytes));
      const [from, to] = [b.add(x, start), b.add(y, start)];
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

export type RowOp = "add" | "mul" | "gelu" | "silu" | "geluMul" | "siluMul";

const rowOps: { readonly [K in RowOp]: (b: TileBuilder, x: F32, y: () => F32) => F32 } = {
  add: (b, x, y) => b.fadd(x, y()),
  mul: (b, x, y) => b.fmul(x, y()),
  gelu: (b, x) => gelu(b, x),
  silu: (b, x) => silu(b, x),
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
