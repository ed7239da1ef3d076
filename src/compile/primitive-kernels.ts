/** Kernels as loops over blocks that call primitives: each written once, whatever set of primitives it is given. */
import type { Block, Primitive } from "./primitive.ts";
import type { Int, Target, TileProgram } from "./tile.ts";
import { TileBuilder } from "./tile-builder.ts";

type Precision = "f32" | "bf16";

/** Parameters of a kernel, in order; each an array of this shape, f32 but where it says otherwise. The last is the result. */
export interface KernelParam {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type?: "bf16" | "i32";
}

export interface PrimitiveKernel {
  readonly params: readonly KernelParam[];
  /** Multiplications and additions of products. */
  readonly operations: number;
  write(target: Target, primitives: Primitive): TileProgram;
}

const dense = (base: Int, rows: number, columns: number, precision: Precision = "f32"): Block => ({
  ...{ base, rows, columns, precision },
  rowBytes: columns * (precision === "bf16" ? 2 : 4),
});

const single = { a: [0], b: [0] } as const;

/** gelu(x [M, K] · w [K, N] + bias [N]), x and w of some precision: blocks of rows, and K in a batch of parts. */
export function linearKernel(m: number, k: number, n: number, precision: Precision): PrimitiveKernel {
  const [rows, parts] = [16, 4];
  const bytes = precision === "bf16" ? 2 : 4;
  const type = precision === "bf16" ? { type: "bf16" as const } : {};
  const params = [
    { name: "x", shape: [m, k], ...type },
    { name: "w", shape: [k, n], ...type },
    { name: "bias", shape: [n] },
    { name: "out", shape: [m, n] },
  ];
  return {
    params,
    operations: 2 * m * k * n,
    write(target, p) {
      const b = new TileBuilder(target);
      const [x, w, bias, out] = params.map(() => b.param()) as [Int, Int, Int, Int];
      const depth = k / parts;
      const batch = {
        a: Array.from({ length: parts }, (_, i) => i * depth * bytes),
        b: Array.from({ length: parts }, (_, i) => i * depth * n * bytes),
      };
      b.for(0, m, rows, (row) => {
        const from = { ...dense(b.add(x, b.mul(row, k * bytes)), rows, k, precision), columns: depth };
        const to = dense(b.add(out, b.mul(row, n * 4)), rows, n);
        p.brgemm(b, from, { ...dense(w, depth, n, precision) }, batch, to, false);
        p.binary(b, "add", to, dense(bias, 1, n), "row", to);
        p.unary(b, "gelu", to, to);
      });
      return b.finish(`linear-${precision}`);
    },
  };
}

/** relu(x [H + 2, W + 2, C] ⋆ w [3, 3, C, O]) → [H, W, O]: a row of the image is one product over a batch of nine taps. */
export function convolutionKernel(height: number, width: number, channels: number, outputs: number): PrimitiveKernel {
  const params = [
    { name: "x", shape: [height + 2, width + 2, channels] },
    { name: "w", shape: [3, 3, channels, outputs] },
    { name: "out", shape: [height, width, outputs] },
  ];
  return {
    params,
    operations: 2 * 9 * height * width * channels * outputs,
    write(target, p) {
      const b = new TileBuilder(target);
      const [x, w, out] = params.map(() => b.param()) as [Int, Int, Int];
      const taps = Array.from({ length: 9 }, (_, tap) => tap);
      const line = (width + 2) * channels * 4;
      const batch = {
        a: taps.map((tap) => Math.floor(tap / 3) * line + (tap % 3) * channels * 4),
        b: taps.map((tap) => tap * channels * outputs * 4),
      };
      b.for(0, height, 1, (row) => {
        const to = dense(b.add(out, b.mul(row, width * outputs * 4)), width, outputs);
        p.brgemm(b, dense(b.add(x, b.mul(row, line)), width, channels), dense(w, channels, outputs), batch, to, false);
        p.unary(b, "relu", to, to);
      });
      return b.finish("convolution");
    },
  };
}

/** softmax(q [T, D] · kᵀ / √D) · v, rows of scores in scratch. */
export function attentionKernel(tokens: number, width: number): PrimitiveKernel {
  const rows = 16;
  const params = ["q", "k", "v", "out"].map((name) => ({ name, shape: [tokens, width] }));
  return {
    params,
    operations: 4 * tokens * tokens * width,
    write(target, p) {
      const b = new TileBuilder(target);
      const [q, k, v, out] = params.map(() => b.param()) as [Int, Int, Int, Int];
      const turned = dense(b.scratch, width, tokens);
      const scores = dense(b.add(b.scratch, width * tokens * 4), rows, tokens);
      const column = { ...dense(b.add(scores.base, rows * tokens * 4), rows, 1), rowBytes: 4 };
      p.transform(b, dense(k, tokens, width), turned);
      b.for(0, tokens, rows, (row) => {
        const at = b.mul(row, width * 4);
        p.brgemm(b, dense(b.add(q, at), rows, width), turned, single, scores, false);
        p.unary(b, "scale", scores, scores, 1 / Math.sqrt(width));
        p.reduce(b, "max", scores, column);
        p.binary(b, "sub", scores, column, "column", scores);
        p.unary(b, "exp", scores, scores);
        p.reduce(b, "sum", scores, column);
        p.unary(b, "reciprocal", column, column);
        p.binary(b, "mul", scores, column, "column", scores);
        p.brgemm(b, scores, dense(v, tokens, width), single, dense(b.add(out, at), rows, width), false);
      });
      return b.finish("attention");
    },
  };
}

/**
 * One step of an LSTM over a batch: embeddings of `tokens` are gathered, w and u are [4, D, D] (input, forget, cell and output
 * gates). → [2, N, D]: the hidden state, and the cell.
 */
export function lstmKernel(rows: number, width: number, vocabulary: number): PrimitiveKernel {
  const params = [
    { name: "table", shape: [vocabulary, width] },
    { name: "tokens", shape: [rows], type: "i32" as const },
    ...["h", "c"].map((name) => ({ name, shape: [rows, width] })),
    ...["w", "u"].map((name) => ({ name, shape: [4, width, width] })),
    { name: "bias", shape: [4, width] },
    { name: "out", shape: [2, rows, width] },
  ];
  return {
    params,
    operations: 2 * 2 * 4 * rows * width * width,
    write(target, p) {
      const b = new TileBuilder(target);
      type Params = [Int, Int, Int, Int, Int, Int, Int, Int];
      const [table, tokens, h, c, w, u, bias, out] = params.map(() => b.param()) as Params;
      const bytes = rows * width * 4;
      const scratch = (i: number): Block => dense(b.add(b.scratch, i * bytes), rows, width);
      const gates = [0, 1, 2, 3].map(scratch) as [Block, Block, Block, Block];
      const x = scratch(4);
      p.gather(b, dense(table, vocabulary, width), tokens, x);
      for (const [i, gate] of gates.entries()) {
        const weights = (from: Int): Block => dense(b.add(from, i * width * width * 4), width, width);
        p.brgemm(b, x, weights(w), single, gate, false);
        p.brgemm(b, dense(h, rows, width), weights(u), single, gate, true);
        p.binary(b, "add", gate, dense(b.add(bias, i * width * 4), 1, width), "row", gate);
        p.unary(b, i === 2 ? "tanh" : "sigmoid", gate, gate);
      }
      const [input, forget, fresh, output] = gates;
      const cell = dense(b.add(out, bytes), rows, width);
      p.binary(b, "mul", input, fresh, "none", x);
      p.ternary(b, forget, dense(c, rows, width), x, cell);
      p.unary(b, "tanh", cell, x);
      p.binary(b, "mul", output, x, "none", dense(out, rows, width));
      return b.finish("lstm");
    },
  };
}

/** Small ones, with extents that no tile divides. */
export const primitiveKernels: Readonly<Record<string, PrimitiveKernel>> = {
  linear: linearKernel(48, 64, 80, "f32"),
  narrow: linearKernel(32, 64, 48, "bf16"),
  convolution: convolutionKernel(6, 10, 16, 24),
  attention: attentionKernel(32, 24),
  lstm: lstmKernel(12, 40, 50),
};
