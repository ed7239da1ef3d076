/**
 * Attention over dense arrays and its gradients, a kernel each: an item is a matrix of the batch, and scores never leave scratch.
 *
 *     k ──► transposed ─┐
 *     block of q ───────┴──► scores ──► softmax ──► · v ──► block of the result
 *     block of dy · vᵀ ──► with the probabilities, computed again ──► gradient of the scores ──► dq; added to dk and dv
 *
 * Of causal attention only the blocks of scores that are seen are computed. Blocks follow each other in order within an item,
 * so the order of every sum is fixed. The idea of never storing scores is FlashAttention's (Dao et al. 2022); here a block
 * holds whole rows of scores, since caches of processors have room for them, so no running maximum is needed.
 */
import type { Int, Target } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import {
  addProduct,
  eachTile,
  type Scores,
  scoresOf,
  storeSums,
  type Tile,
  tileOf,
  transposePanels,
  zeroSums,
} from "./dense-attention/product.ts";
import { rowsOfGradient, rowsOfSoftmax } from "./dense-attention/rows.ts";
import type { Lowered } from "./lowered.ts";

/** (q [batch, queries, width], k and v [batch, keys, width]); width is a multiple of 16, and `scale` is positive. */
export interface DenseAttention {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  /** A query sees keys up to its own place, counted from the end of both; there are at least as many keys as queries. */
  readonly causal: boolean;
  readonly scale: number;
}

const nameOf = (a: DenseAttention): string =>
  `${a.queries}x${a.keys}x${a.width}${a.causal ? "-causal" : ""}-${a.scale}`;

/** Parameters q, k, v, result. */
export function lowerDenseAttention(target: Target, a: DenseAttention): Lowered {
  const b = new TileBuilder(target);
  const s = scoresOf(target, a);
  const params = { q: b.param(), k: b.param(), v: b.param(), out: b.param() };
  const rowBytes = a.width * 4;
  const tile = tileOf(target, a.width);
  const transposed = b.add(b.scratch, s.headBytes);
  const scores = b.add(transposed, s.panelsBytes);
  b.for(b.begin, b.end, 1, (item) => {
    const [ofQ, ofK] = [b.mul(item, a.queries * rowBytes), b.mul(item, a.keys * rowBytes)];
    const v = b.add(params.v, ofK);
    transposePanels(b, s, b.add(params.k, ofK), transposed);
    eachBlock(b, a, s, (block) => {
      const offset = b.add(ofQ, b.mul(block.first, rowBytes));
      multiplyPanels(b, s, tile, b.add(params.q, offset), transposed, scores, block);
      rowsOfSoftmax(b, s, a.scale, scores, block);
      const out = b.add(params.out, offset);
      eachTile(b, tile, block.count, a.width, (row, high, column, vectors) => {
        const sums = zeroSums(b, high, vectors);
        const x = { at: b.add(scores, b.mul(row, s.rowBytes)), row: s.rowBytes, step: 4 };
        addProduct(b, sums, x, { at: b.add(v, column), step: rowBytes }, block.seen);
        const inverses = b.add(b.scratch, b.shl(row, 2));
        for (const [r, list] of sums.entries()) {
          const inverse = b.broadcastF(at(inverses, s.inverses + 4 * r));
          for (const sum of list) b.fmul(sum, inverse, sum);
        }
        storeSums(b, sums, b.add(b.add(out, b.mul(row, rowBytes)), column), rowBytes);
      });
    });
  });
  return {
    calls: [{ program: b.finish(`attention-${nameOf(a)}`), items: a.batch, args: [0, 1, 2, 3] }],
    temporaries: [],
    scratchBytes: s.headBytes + s.panelsBytes + s.blockBytes,
  };
}

/** Parameters q, k, v, the gradient of the result, then those of q, k and v, one behind the other. */
export function lowerDenseAttentionGradient(target: Target, a: DenseAttention): Lowered {
  const b = new TileBuilder(target);
  const s = scoresOf(target, a);
  const given = Array.from({ length: 5 }, () => b.param());
  const sizes = [a.queries, a.keys].map((length) => a.batch * length * a.width * 4) as [number, number];
  const params = [...given, b.add(given[4]!, sizes[0]), b.add(given[4]!, sizes[0] + sizes[1])];
  const [ofKeys, ofQueries] = [
    [1, 2, 5, 6],
    [0, 3, 4],
  ];
  const rowBytes = a.width * 4;
  const tile = tileOf(target, a.width);
  const keys = b.add(b.scratch, s.headBytes);
  const values = b.add(keys, s.panelsBytes);
  const scores = b.add(values, s.panelsBytes);
  const slopes = b.add(scores, s.blockBytes);
  b.for(b.begin, b.end, 1, (item) => {
    const place = [...params];
    for (const i of ofQueries) place[i] = b.add(params[i]!, b.mul(item, a.queries * rowBytes));
    for (const i of ofKeys) place[i] = b.add(params[i]!, b.mul(item, a.keys * rowBytes));
    const [q, k, v, dy, dq, dk, dv] = place as [Int, Int, Int, Int, Int, Int, Int];
    transposePanels(b, s, k, keys);
    transposePanels(b, s, v, values);
    const zero = b.constF(0);
    for (const to of [dk, dv]) b.for(0, a.keys * rowBytes, target.lanes * 4, (i) => b.store(at(to, 0, i), zero));
    eachBlock(b, a, s, (block) => {
      const offset = b.mul(block.first, rowBytes);
      const [qs, dys] = [b.add(q, offset), b.add(dy, offset)];
      multiplyPanels(b, s, tile, qs, keys, scores, block);
      rowsOfSoftmax(b, s, a.scale, scores, block);
      multiplyPanels(b, s, tile, dys, values, slopes, block);
      rowsOfGradient(b, s, a.scale, scores, slopes, block);
      eachTile(b, tile, block.count, a.width, (row, high, column, vectors) => {
        const sums = zeroSums(b, high, vectors);
        const x = { at: b.add(slopes, b.mul(row, s.rowBytes)), row: s.rowBytes, step: 4 };
        addProduct(b, sums, x, { at: b.add(k, column), step: rowBytes }, block.seen);
        storeSums(b, sums, b.add(b.add(b.add(dq, offset), b.mul(row, rowBytes)), column), rowBytes);
      });
      addToKeys(b, s, tile, block, slopes, qs, dk);
      addToKeys(b, s, tile, block, scores, dys, dv);
    });
  });
  return {
    calls: [{ program: b.finish(`attention-gradient-${nameOf(a)}`), items: a.batch, args: [0, 1, 2, 3, 4] }],
    temporaries: [],
    scratchBytes: s.headBytes + 2 * (s.panelsBytes + s.blockBytes),
  };
}

/** to[key] += Σ over the block's queries of factors[query, key] × rows[query]. */
function addToKeys(
  b: TileBuilder,
  s: Scores,
  tile: Tile,
  { seen, count }: Block,
  factors: Int,
  rows: Int,
  to: Int,
): void {
  const rowBytes = s.width * 4;
  eachTile(b, tile, seen, s.width, (key, high, column, vectors) => {
    const out = b.add(b.add(to, b.mul(key, rowBytes)), column);
    const sums = Array.from({ length: high }, (_, r) =>
      Array.from({ length: vectors }, (_, i) => b.loadF(at(out, r * rowBytes + i * b.target.lanes * 4))),
    );
    const x = { at: b.add(factors, b.shl(key, 2)), row: 4, step: s.rowBytes };
    addProduct(b, sums, x, { at: b.add(rows, column), step: rowBytes }, count);
    storeSums(b, sums, out, rowBytes);
  });
}

/** Some queries: the first, how many, and how many keys the last of them sees; `panels` hold those. */
export interface Block {
  readonly first: Int;
  readonly count: Int;
  readonly seen: Int;
  readonly panels: Int;
  /** Keys that a row sees. */
  seenBy(row: Int): Int;
}

function eachBlock(b: TileBuilder, a: DenseAttention, s: Scores, write: (block: Block) => void): void {
  const ahead = a.keys - a.queries;
  b.for(0, a.queries, s.rows, (first) => {
    const count = b.min(b.sub(b.int(a.queries), first), s.rows);
    const seen = a.causal ? b.add(b.add(first, count), ahead) : b.int(a.keys);
    const panels = b.div(b.add(seen, s.panel - 1), s.panel);
    const seenBy = (row: Int): Int => (a.causal ? b.add(b.add(first, row), ahead + 1) : seen);
    write({ first, count, seen, panels, seenBy });
  });
}

/** Rows of `from` times the transposed panels, to rows of `to`. */
function multiplyPanels(
  b: TileBuilder,
  s: Scores,
  tile: Tile,
  from: Int,
  panels: Int,
  to: Int,
  { count, panels: seen }: Block,
): void {
  const wide = s.panel * 4;
  b.for(0, seen, 1, (panel) => {
    const w = b.add(panels, b.mul(panel, s.width * wide));
    const column = b.add(to, b.mul(panel, wide));
    eachTile(b, { ...tile, vectors: 2 }, count, s.panel, (row, high, behind, vectors) => {
      const sums = zeroSums(b, high, vectors);
      const x = { at: b.add(from, b.mul(row, s.width * 4)), row: s.width * 4, step: 4 };
      addProduct(b, sums, x, { at: b.add(w, behind), step: wide }, s.width);
      storeSums(b, sums, b.add(b.add(column, b.mul(row, s.rowBytes)), behind), s.rowBytes);
    });
  });
}
