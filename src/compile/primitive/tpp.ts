/** Tensor processing primitives: a batch-reduce product of blocks whose sums stay in registers, and transposes by shuffles. */
import { type Batch, type Block, primitiveSet } from "../primitive.ts";
import { loadColumns, loadElement, rowAt, rowPrimitives, storeColumns } from "../primitive-rows.ts";
import type { F32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";

export default primitiveSet({
  title: "TPP",
  paper: {
    title:
      "Tensor Processing Primitive: A Programming Abstraction for Efficiency and Portability in Deep Learning Workloads",
    venue: "SC 2021",
    url: "https://arxiv.org/abs/2104.05755",
  },
  rows: ["tpp"],
  idea: "Kernels are loops over blocks that call a few primitives on two-dimensional blocks, specialised for shape, precision and target; at the centre a product that sums over a batch of pairs of blocks, in a tile of registers that is stored once.",
  differs: [
    "Thirteen operations of seven kinds (paper: some fifty), those that linear layers, convolution, attention and LSTM cells take.",
    "Primitive are emitted into the kernel that calls them (paper: each is a function made at run time, called by a pointer).",
    "bf16 operands are widened where they are read (paper: bf16 dot products where the processor has them, from a packed layout).",
    "Products of whole matrices in graphs of arrays use the tiles of `lower/matmul.ts`, which the same registers limit; they pack their operands and are not made of these.",
  ],
  options: {},
  claim: { metric: "accesses", better: "lower", than: "fine-grained", on: "kernels", factor: 2, where: "machine" },

  create: () => ({ ...rowPrimitives, brgemm, transform }),
});

/** Rows and vectors of a tile: sums, a row of vectors of B, and an element of A, in the registers that the target has. */
function tileOf({ target }: TileBuilder, columns: number): { readonly rows: number; readonly vectors: number } {
  const vectors = Math.min(Math.ceil(columns / target.lanes), target.registers >= 24 ? 4 : 2);
  return { rows: Math.max(1, Math.floor((target.registers - 1 - vectors) / vectors)), vectors };
}

function brgemm(b: TileBuilder, x: Block, y: Block, batch: Batch, c: Block, accumulate: boolean): void {
  const tile = tileOf(b, c.columns);
  const width = tile.vectors * b.target.lanes;
  for (let column = 0; column < c.columns; column += width) {
    const counts: number[] = [];
    for (let v = column; v < Math.min(column + width, c.columns); v += b.target.lanes) {
      counts.push(Math.min(b.target.lanes, c.columns - v));
    }
    const whole = c.rows - (c.rows % tile.rows);
    const some = (row: Int, rows: number): void => sums(b, x, y, batch, c, { row, rows, column, counts, accumulate });
    if (whole > 0) b.for(0, whole, tile.rows, (row) => some(row, tile.rows));
    if (whole < c.rows) some(b.int(whole), c.rows - whole);
  }
}

interface Tile {
  readonly row: Int;
  readonly rows: number;
  readonly column: number;
  readonly counts: readonly number[];
  readonly accumulate: boolean;
}

function sums(b: TileBuilder, x: Block, y: Block, batch: Batch, c: Block, tile: Tile): void {
  const { row, rows, column, counts, accumulate } = tile;
  const lanes = 4 * b.target.lanes;
  const first = b.add(rowAt(b, c, row), 4 * column);
  const places = Array.from({ length: rows }, (_, r) => r * c.rowBytes);
  const acc = places.map((place): F32[] =>
    counts.map((n, v) => (accumulate ? loadColumns(b, first, place + v * lanes, n) : b.constF(0))),
  );
  const bytes = y.precision === "bf16" ? 2 : 4;
  for (const [i, ofX] of batch.a.entries()) {
    const from = b.add(rowAt(b, x, row), ofX);
    const panel = b.add(y.base, batch.b[i]! + column * bytes);
    b.for(0, x.columns, 1, (k) => {
      const line = b.add(panel, b.mul(k, y.rowBytes));
      const w = counts.map((n, v) => loadColumns(b, line, v * lanes, n, y.precision));
      for (let r = 0; r < rows; r++) {
        const element = elementOf(b, from, r * x.rowBytes, k, x.precision);
        for (const [v, vector] of w.entries()) b.fma(acc[r]![v]!, element, vector);
      }
    });
  }
  for (const [r, place] of places.entries()) {
    for (const [v, n] of counts.entries()) storeColumns(b, first, place + v * lanes, acc[r]![v]!, n);
  }
}

function elementOf(b: TileBuilder, from: Int, offset: number, k: Int, precision: Block["precision"]): F32 {
  if (precision === "bf16") return loadElement(b, b.add(from, offset), k, precision);
  return b.broadcastF(at(from, offset, k, 4));
}

/** Four rows by four columns at a time: two shuffles of each of four vectors. */
function transform(b: TileBuilder, x: Block, out: Block): void {
  const part = (place: ReturnType<typeof at>): F32 => (b.target.lanes === 4 ? b.loadF(place) : b.loadPartF(place, 4));
  b.for(0, x.rows, 4, (row) => {
    b.for(0, x.columns, 4, (column) => {
      const from = rowAt(b, x, row);
      const [r0, r1, r2, r3] = [0, 1, 2, 3].map((r) => part(at(from, r * x.rowBytes, column, 4))) as [
        F32,
        F32,
        F32,
        F32,
      ];
      const [low0, high0] = [b.shuffle("low", r0, r1), b.shuffle("high", r0, r1)];
      const [low1, high1] = [b.shuffle("low", r2, r3), b.shuffle("high", r2, r3)];
      const columns = [
        b.shuffle("lowPairs", low0, low1),
        b.shuffle("highPairs", low0, low1),
        b.shuffle("lowPairs", high0, high1),
        b.shuffle("highPairs", high0, high1),
      ];
      const to = rowAt(b, out, column);
      for (const [c, v] of columns.entries()) {
        const place = at(to, c * out.rowBytes, row, 4);
        if (b.target.lanes === 4) b.store(place, v);
        else b.storePart(place, v, 4);
      }
    });
  });
}
