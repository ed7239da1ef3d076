/**
 * Matrix products with packed weights: out [T, N] = x [T, K] · wᵀ (+ bias).
 *
 * A vector holds 16 output rows (or a part of them) at one k, and each activation is repeated in all lanes. So a result is
 * one chain over k in order, the same whatever the number of tokens, the tile or the thread: rows are equal bit for bit
 * however they are batched. A work item is 32 output rows for all tokens; its weights stay in the nearest cache.
 */
import { fact, groupsPerItem, quantBlock, quantLayout, rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import type { F32, I32, I32Operand, Int, Target, TileProgram } from "../tile.ts";
import { at, broadcast, TileBuilder, vector } from "../tile-builder.ts";

export interface LinearShape {
  readonly n: number;
  readonly k: number;
  readonly bias: boolean;
}

/** Parameters: weights, x (f32 rows, or quantised ones for int8), tokens, (bias,) out. */
export function lowerLinear(target: Target, format: WeightFormat, shape: LinearShape): TileProgram {
  const b = new TileBuilder(target);
  const [w, x, tokens] = [b.param(), b.param(), b.param()];
  const bias = shape.bias ? b.param() : undefined;
  const out = b.param();
  const layout = weightLayout(format, shape.n, shape.k);
  const vectors = (groupsPerItem * 16) / target.lanes;
  // Wide registers are many: both groups at once. Narrow ones are few: one vector of rows after the other.
  const together = target.registers >= 24 ? vectors : 1;
  const xBytes = format.kind === "int8" ? quantLayout(shape.k, target.dot4).rowBytes : rowFloats(shape.k) * 4;
  const outBytes = rowFloats(shape.n) * 4;
  b.for(b.begin, b.end, 1, (item) => {
    const weights = b.add(w, b.mul(item, groupsPerItem * layout.groupBytes));
    for (let v = 0; v < vectors; v += together) {
      const tile = Array.from({ length: together }, (_, i) => position(target, v + i, layout.groupBytes));
      const columnBytes = b.add(b.mul(item, groupsPerItem * 64), v * target.lanes * 4);
      const emit = (token: Int, rows: number): void => {
        const from = b.add(x, b.mul(token, xBytes));
        const to = b.add(b.add(out, b.mul(token, outBytes)), columnBytes);
        const sums =
          format.kind === "int8"
            ? int8Tile(b, format, shape.k, weights, tile, from, rows)
            : floatTile(b, format, shape.k, weights, tile, from, rows);
        for (const [r, row] of sums.entries()) {
          for (const [i, sum] of row.entries()) {
            if (bias !== undefined) b.fadd(sum, vector(at(bias, i * target.lanes * 4, columnBytes)), sum);
            b.store(at(to, r * outBytes + i * target.lanes * 4), sum);
          }
        }
      };
      const next = b.int(0);
      b.for(0, b.sub(tokens, tokensPerTile - 1), tokensPerTile, (token) => {
        emit(token, tokensPerTile);
        b.add(token, tokensPerTile, next);
      });
      b.for(next, tokens, 1, (token) => emit(token, 1));
    }
  });
  return b.finish(`linear-${format.kind}-${shape.n}x${shape.k}`);
}

const tokensPerTile = 4;

/** Where a vector of rows lies in the weights of an item: its group, and its first row in it. */
interface VectorPosition {
  readonly group: number;
  readonly row: number;
}

function position(target: Target, v: number, groupBytes: number): VectorPosition {
  const perGroup = 16 / target.lanes;
  return { group: Math.floor(v / perGroup) * groupBytes, row: (v % perGroup) * target.lanes };
}

/** Sums of `rows` tokens × the tile's vectors over f32 or bf16 weights. */
function floatTile(
  b: TileBuilder,
  format: WeightFormat,
  k: number,
  weights: Int,
  tile: readonly VectorPosition[],
  x: Int,
  rows: number,
): F32[][] {
  const bytes = format.kind === "f32" ? 4 : 2;
  const xBytes = rowFloats(k) * 4;
  const sums = Array.from({ length: rows }, () => tile.map(() => b.constF(0)));
  const cursor = b.int(weights);
  b.for(0, k * 4, 4, (offset) => {
    for (const [i, { group, row }] of tile.entries()) {
      const w = b.loadF(at(cursor, group + row * bytes), format.kind === "f32" ? "32" : "bf16");
      for (const [r, sum] of sums.entries()) b.fma(sum[i]!, w, broadcast(at(x, r * xBytes, offset)));
    }
    b.add(cursor, 16 * bytes, cursor);
  });
  return sums;
}

type Int8 = Extract<WeightFormat, { kind: "int8" }>;

/** Sums over int8 weights: integer dots within a sub-block, exact, then one fma with the product of the two scales. */
function int8Tile(
  b: TileBuilder,
  format: Int8,
  k: number,
  weights: Int,
  tile: readonly VectorPosition[],
  x: Int,
  rows: number,
): F32[][] {
  const layout = weightLayout(format, 1, k);
  const quant = quantLayout(k, b.target.dot4);
  const sums = Array.from({ length: rows }, () => tile.map(() => b.constF(0)));
  const halves = quantBlock / format.subBlock;
  const scaleBytes = format.halfScale ? 2 : 4;
  const codes = b.int(b.add(weights, layout.codes));
  const xCodes = b.int(x);
  const facts = b.int(b.add(x, quant.facts));
  const scales = b.int(weights);
  const minima = format.symmetric ? undefined : b.add(weights, layout.minima);
  b.for(0, k / quantBlock, 1, () => {
    for (let half = 0; half < halves; half++) {
      const dots = sums.map(() => tile.map(() => undefined as I32 | undefined));
      integerDots(b, format, tile, dots, { codes, xCodes, facts, half, xBytes: quant.rowBytes, odd: quant.odd });
      for (const [i, { group, row }] of tile.entries()) {
        const scaleAt = at(scales, group + (half * 16 + row) * scaleBytes);
        const scale = b.loadF(scaleAt, format.halfScale ? "f16" : "32");
        for (const [r, sum] of sums.entries()) {
          const both = b.fmul(scale, broadcast(at(facts, r * quant.rowBytes + fact.scale)));
          b.fma(sum[i]!, b.toF32(dots[r]![i]!), both);
        }
        if (minima === undefined) continue;
        const minimum = b.fsub(b.constF(0), vector(at(minima, group + row * 4)));
        for (const [r, sum] of sums.entries())
          b.fma(sum[i]!, minimum, broadcast(at(facts, r * quant.rowBytes + fact.sum)));
      }
    }
    b.prefetch(at(codes, 4096));
    b.add(codes, quantBlock * 16, codes);
    b.add(xCodes, quantBlock, xCodes);
    b.add(facts, fact.stride, facts);
    b.add(scales, halves * 16 * scaleBytes, scales);
    if (minima !== undefined) b.add(minima, 64, minima);
  });
  return sums;
}

interface DotCursors {
  readonly codes: Int;
  readonly xCodes: Int;
  readonly facts: Int;
  readonly half: number;
  readonly xBytes: number;
  readonly odd: number;
}

/** Fills `dots` with Σ code × q of one sub-block, less 128 Σ q where the codes are offset. */
function integerDots(
  b: TileBuilder,
  format: Int8,
  tile: readonly VectorPosition[],
  dots: (I32 | undefined)[][],
  c: DotCursors,
): void {
  const quads = format.subBlock / 4;
  const offset = format.subBlock === 32 ? fact.offset : c.half === 0 ? fact.offsetLow : fact.offsetHigh;
  const initial = (r: number): I32 =>
    format.symmetric ? b.broadcastI(at(c.facts, r * c.xBytes + offset)) : b.constI(0);
  for (const row of dots)
    for (const i of tile.keys()) row[i] = b.target.dot4 ? initial(dots.indexOf(row)) : b.constI(0);
  const low = b.target.dot4 ? undefined : b.constI(0x00ff00ff);
  for (let q = 0; q < quads; q++) {
    const quad = c.half * quads + q;
    for (const [i, { group, row }] of tile.entries()) {
      const w = b.loadI(at(c.codes, group + quad * 64 + row * 4));
      const pairs = low === undefined ? undefined : { even: b.i32("and", w, low), odd: b.shift("shr16", w, 8) };
      for (const [r, dot] of dots.entries()) {
        const xAt = at(c.xCodes, r * c.xBytes + quad * 4);
        if (pairs === undefined) {
          b.dot4(dot[i]!, w, broadcast(xAt));
          continue;
        }
        const oddAt = { ...xAt, offset: xAt.offset + c.odd };
        const add = (product: I32Operand): void => void b.i32("add", dot[i]!, product, dot[i]!);
        add(b.i32("madd16", pairs.even, broadcast(xAt)));
        add(b.i32("madd16", pairs.odd, broadcast(oddAt)));
      }
    }
  }
  if (b.target.dot4) return;
  for (const [r, row] of dots.entries()) {
    for (const i of tile.keys()) {
      const exact = b.shift("sar", row[i]!, 8);
      row[i] = format.symmetric ? b.i32("add", exact, initial(r)) : exact;
    }
  }
}
