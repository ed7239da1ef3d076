/**
 * Products of two matrices that both arrive when they are called: C [M, N] = A [M, K] · B [K, N], either transposed in memory,
 * rows any stride apart, or a batch of them.
 *
 *     B ──► panels of some columns, one word of K after the other       (a call of its own: each panel once)
 *     A ──► rows where they lie, or copied item by item ──► tiles of sums in registers ──► C
 *
 * A word of K is an f32, or a pair of bf16. Blocks of K are multiplied so that a panel's part stays in the nearest cache and an
 * item's part of A in the second; sums wait in C between blocks, so that each is one chain over K in order, the first of which
 * is zero or what C holds: the same bits whatever the plan, the tile or the thread.
 */
import type { F32, Int, Target, TileProgram } from "../tile.ts";
import { TileBuilder } from "../tile-builder.ts";
import { copiedFrom, copiedRowBytes, copyRows, copyScratch, packColumns, packScratch } from "./matmul/pack.ts";
import { eachHeight, eachWidth, nameOf, type Parts, partsOf, rowOf } from "./matmul/parts.ts";
import { type MatmulPlan, matmulPlan } from "./matmul/plan.ts";
import { bytesOf, checkShape, type MatmulShape } from "./matmul/shape.ts";
import { loadSums, multiply, type Rows, storeSums } from "./matmul/tile.ts";
import { partBytes } from "./matmul/words.ts";

export type { MatmulOperand, MatmulShape } from "./matmul/shape.ts";

/** What is done to sums before they are stored, with parameters of its own behind those of the product. */
export interface Epilogue {
  readonly parameters: number;
  /** Tells kernels apart. */
  readonly name: string;
  /** Called for a tile: what gives a sum's result. */
  begin(b: TileBuilder, tile: EpilogueTile): (sum: F32, row: number, vector: number) => F32;
}

export interface EpilogueTile {
  readonly parameters: readonly Int[];
  /** Of a batch, from 0. */
  readonly matrix: Int;
  /** The first row and column of C that the tile computes. */
  readonly row: Int;
  readonly column: Int;
  /** How many columns each of its vectors has: all lanes, or fewer in the last of a matrix, behind which nothing may be read. */
  readonly counts: readonly number[];
}

/** Calls wait for each other in this order. `epilogue` stands for as many parameters as it has. */
export interface MatmulCall {
  readonly program: TileProgram;
  readonly items: number;
  readonly args: readonly ("a" | "b" | "c" | "temporary" | "epilogue")[];
}

export interface Matmul {
  readonly calls: readonly MatmulCall[];
  /** Memory between the calls; its contents before and after do not matter. */
  readonly temporaryBytes: number;
  /** Of each thread. */
  readonly scratchBytes: number;
}

export function lowerMatmul(
  target: Target,
  shape: MatmulShape,
  epilogue?: Epilogue,
  plan: MatmulPlan = matmulPlan(target, shape),
): Matmul {
  checkShape(shape);
  const parts = partsOf(target, shape, plan);
  const { batch = 1 } = shape;
  const matrices = shape.b.batchStride ? batch : 1;
  const perItem = (all: number, some: number): number => Math.ceil(all / some);
  const items = batch * perItem(parts.tiling.count, plan.tilesPerItem) * perItem(parts.panels, plan.panelsPerItem);
  return {
    calls: [
      { program: packColumns(parts), items: matrices * parts.panels, args: ["b", "temporary"] },
      {
        program: product(parts, epilogue),
        items,
        args: ["a", "temporary", "c", ...(epilogue ? ["epilogue" as const] : [])],
      },
    ],
    temporaryBytes: matrices * parts.panels * parts.panelBytes + 64,
    scratchBytes: partBytes + Math.max(packScratch(parts), copyScratch(parts)),
  };
}

/** An item is some tiles by some panels. */
function product(parts: Parts, epilogue: Epilogue | undefined): TileProgram {
  const { target, shape, plan, words, tiling, panels, panelBytes } = parts;
  const b = new TileBuilder(target);
  const [a, packed, c] = [b.param(), b.param(), b.param()];
  const parameters = Array.from({ length: epilogue?.parameters ?? 0 }, () => b.param());
  const across = Math.ceil(panels / plan.panelsPerItem);
  const down = Math.ceil(tiling.count / plan.tilesPerItem);
  const batch = shape.batch ?? 1;
  b.for(b.begin, b.end, 1, (item) => {
    const matrix = batch === 1 ? b.int(0) : b.div(item, across * down);
    const inside = batch === 1 ? item : b.rem(item, across * down);
    // Items side by side share their rows of A.
    const tiles = b.mul(b.div(inside, across), plan.tilesPerItem);
    const firstPanel = b.mul(b.rem(inside, across), plan.panelsPerItem);
    const moved = (base: Int, elements: number | undefined, bytes: number): Int =>
      elements === undefined || elements === 0 || batch === 1 ? base : b.add(base, b.mul(matrix, elements * bytes));
    const one: Item = {
      parts,
      epilogue,
      parameters,
      matrix,
      a: moved(a, shape.a.batchStride, bytesOf(shape.a)),
      packed: shape.b.batchStride ? b.add(packed, b.mul(matrix, panels * panelBytes)) : packed,
      c: moved(c, shape.c.batchStride, 4),
      tiles,
      tilesEnd: b.min(b.add(tiles, plan.tilesPerItem), tiling.count),
      panel: firstPanel,
      panelEnd: b.min(b.add(firstPanel, plan.panelsPerItem), panels),
    };
    const whole = Math.floor(words.count / plan.depth);
    const rest = words.count - whole * plan.depth;
    if (whole === 1) block(b, one, b.int(0), plan.depth, "first", rest === 0 ? "last" : "not last");
    else if (whole > 1) {
      b.for(0, whole * plan.depth, plan.depth, (k) =>
        block(b, one, k, plan.depth, "some", rest === 0 ? "some" : "not last"),
      );
    }
    if (rest > 0) block(b, one, b.int(whole * plan.depth), rest, whole === 0 ? "first" : "not first", "last");
  });
  return b.finish(`matmul-${nameOf(parts)}${epilogue ? `-${epilogue.name}` : ""}`);
}

interface Item {
  readonly parts: Parts;
  readonly epilogue: Epilogue | undefined;
  readonly parameters: readonly Int[];
  readonly matrix: Int;
  readonly a: Int;
  readonly packed: Int;
  readonly c: Int;
  readonly tiles: Int;
  readonly tilesEnd: Int;
  readonly panel: Int;
  readonly panelEnd: Int;
}

type First = "first" | "some" | "not first";
type Last = "last" | "some" | "not last";

/** `depth` words of K from word `k` on, for all of an item's tiles and panels. */
function block(b: TileBuilder, item: Item, k: Int, depth: number, first: First, last: Last): void {
  const { parts, packed, panel, panelEnd, tiles, tilesEnd } = item;
  const { shape, plan, tiling, width, panelBytes, words } = parts;
  const firstRow = plan.copyA ? rowOf(b, tiling, tiles) : undefined;
  if (firstRow !== undefined) copyRows(b, parts, item.a, firstRow, rowOf(b, tiling, tilesEnd), k, depth);
  const rowsOf = (row: Int): Rows => {
    const rowBytes = firstRow === undefined ? shape.a.stride * bytesOf(shape.a) : copiedRowBytes(parts);
    const from = firstRow === undefined ? b.add(item.a, b.shl(k, 2)) : b.add(b.scratch, copiedFrom(parts));
    return { from: b.add(from, b.mul(firstRow === undefined ? row : b.sub(row, firstRow), rowBytes)), rowBytes };
  };
  const wordBytes = width * 4;
  b.for(panel, panelEnd, 1, (index) => {
    const from = b.add(b.add(packed, b.mul(index, panelBytes)), b.mul(k, wordBytes));
    const column = b.mul(index, width);
    eachWidth(parts, b, index, (counts) => {
      eachHeight(b, tiling, tiles, tilesEnd, (_, row, rows) => {
        const c = b.add(b.add(item.c, b.mul(row, shape.c.stride * 4)), b.shl(column, 2));
        const place = { from: c, rowBytes: shape.c.stride * 4, counts };
        const sums = Array.from({ length: rows }, () => counts.map(() => b.constF(0)));
        if (shape.accumulate || first === "not first") loadSums(b, place, sums);
        else if (first === "some") b.if(k, "gt", 0, () => loadSums(b, place, sums));
        multiply(b, words.kind, rowsOf(row), { from, wordBytes }, depth, plan.unroll, sums);
        const { epilogue, parameters, matrix } = item;
        const finish = (): void => {
          storeSums(b, place, sums, epilogue?.begin(b, { parameters, matrix, row, column, counts }));
        };
        const wait = (): void => storeSums(b, place, sums, undefined);
        if (epilogue === undefined || last === "not last") wait();
        else if (last === "last") finish();
        else b.if(k, "ge", words.count - depth, finish, wait);
      });
    });
  });
}
