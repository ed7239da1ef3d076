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
import { type MatmulPlan, matmulPlan } from "./matmul/plan.ts";
import {
  bytesOf,
  checkShape,
  elementsOf,
  type MatmulShape,
  type Tiling,
  tilingOf,
  type Words,
  wordsOf,
} from "./matmul/shape.ts";
import { loadSums, multiply, type Rows, storeSums } from "./matmul/tile.ts";
import { transposeRows } from "./matmul/transpose.ts";
import { copyColumns, copyRow, partBytes, rowRoom, type Source } from "./matmul/words.ts";

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

/** Everything that kernels of one product know. */
interface Parts {
  readonly target: Target;
  readonly shape: MatmulShape;
  readonly plan: MatmulPlan;
  readonly words: Words;
  readonly tiling: Tiling;
  /** Columns of a panel, panels, and columns of the last one where it is narrower. */
  readonly width: number;
  readonly panels: number;
  readonly edge: number;
  readonly panelBytes: number;
}

function partsOf(target: Target, shape: MatmulShape, plan: MatmulPlan): Parts {
  const words = wordsOf(target, shape);
  const width = plan.vectors * target.lanes;
  return {
    target,
    shape,
    plan,
    words,
    tiling: tilingOf(shape.m, plan.rows),
    width,
    panels: Math.ceil(shape.n / width),
    edge: shape.n % width,
    panelBytes: words.count * width * 4,
  };
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
    scratchBytes: partBytes + Math.max(packScratch(parts), copyLayout(parts).bytes),
  };
}

const sourceOf = (operand: MatmulShape["a"]): Source => ({
  type: operand.type ?? "f32",
  rowBytes: operand.stride * bytesOf(operand),
});

const nameOf = ({ shape }: Parts): string => {
  const { m, n, k, a, b, arithmetic = "f32", batch = 1 } = shape;
  const sides = `${a.transposed ? "t" : "n"}${b.transposed ? "t" : "n"}`;
  return `${arithmetic}-${sides}-${batch > 1 ? `${batch}x` : ""}${m}x${n}x${k}`;
};

/** Calls `write` with how many columns each vector of panel `index` has. */
function eachWidth(
  { target, plan, panels, edge }: Parts,
  b: TileBuilder,
  index: Int,
  write: (counts: readonly number[]) => void,
): void {
  const full = (): void => write(Array.from({ length: plan.vectors }, () => target.lanes));
  if (edge === 0) return full();
  const last = (): void => write(edgeCounts(edge, target.lanes));
  if (panels === 1) return last();
  b.if(index, "lt", panels - 1, full, last);
}

const edgeCounts = (edge: number, lanes: number): readonly number[] =>
  Array.from({ length: Math.ceil(edge / lanes) }, (_, v) => Math.min(lanes, edge - v * lanes));

/** Whether B's words lie one after the other in its memory, so that they need no rounding and no pairing. */
const readyWords = ({ shape: { b, k }, words }: Parts): boolean =>
  words.kind === "f32" || (words.kind === "pairs" && b.type === "bf16" && k % 2 === 0);

/** Bytes of a row of B's words in scratch, where they are rounded or paired before they are transposed. */
const roundedRow = ({ words }: Parts): number => rowRoom(words.count);

const packScratch = (parts: Parts): number =>
  parts.shape.b.transposed && !readyWords(parts) ? parts.target.lanes * roundedRow(parts) : 0;

/** An item is a panel of B. */
function packColumns(parts: Parts): TileProgram {
  const { target, shape, words, width, panels, panelBytes } = parts;
  const b = new TileBuilder(target);
  const [source, panelsAt] = [b.param(), b.param()];
  const { batchStride = 0 } = shape.b;
  const size = bytesOf(shape.b);
  const stepBytes = width * 4;
  b.for(b.begin, b.end, 1, (item) => {
    const panel = batchStride === 0 ? item : b.rem(item, panels);
    const from = batchStride === 0 ? source : b.add(source, b.mul(b.div(item, panels), batchStride * size));
    const to = b.add(panelsAt, b.mul(item, panelBytes));
    const across = sourceOf(shape.b);
    eachWidth(parts, b, panel, (counts) => {
      if (!shape.b.transposed) {
        return copyColumns(
          b,
          words.kind,
          across,
          b.add(from, b.mul(panel, width * size)),
          shape.k,
          counts,
          to,
          stepBytes,
        );
      }
      const first = b.add(from, b.mul(panel, width * across.rowBytes));
      for (const [v, count] of counts.entries()) {
        const rows = v === 0 ? first : b.add(first, v * target.lanes * across.rowBytes);
        const at64 = v === 0 ? to : b.add(to, v * target.lanes * 4);
        if (readyWords(parts)) {
          transposeRows(b, rows, count, across.rowBytes, words.count, at64, stepBytes);
          continue;
        }
        const room = b.add(b.scratch, partBytes);
        const [x, y] = [b.int(rows), b.int(room)];
        b.for(0, count, 1, () => {
          copyRow(b, words.kind, across, x, shape.k, y);
          b.add(x, across.rowBytes, x);
          b.add(y, roundedRow(parts), y);
        });
        transposeRows(b, room, count, roundedRow(parts), words.count, at64, stepBytes);
      }
    });
  });
  return b.finish(`matmul-pack-${nameOf(parts)}`);
}

/** How an item's block of A lies in scratch: rows, or for each tile the words of K, a tile's rows side by side. */
function copyLayout({ shape, plan, tiling }: Parts): {
  readonly rowBytes: number;
  readonly tileBytes: number;
  readonly bytes: number;
} {
  if (!plan.copyA) return { rowBytes: 0, tileBytes: 0, bytes: 0 };
  const rowBytes = shape.a.transposed ? 4 : rowRoom(plan.depth);
  const tileBytes = shape.a.transposed ? plan.depth * tiling.height * 4 : tiling.height * rowBytes;
  return { rowBytes, tileBytes, bytes: Math.min(plan.tilesPerItem, tiling.count) * tileBytes + 64 };
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
  if (plan.copyA) copyBlock(b, item, k, depth);
  const layout = copyLayout(parts);
  const rowsOf = (tile: Int, row: Int): Rows => {
    if (!plan.copyA) {
      const rowBytes = shape.a.stride * bytesOf(shape.a);
      return { from: b.add(b.add(item.a, b.mul(row, rowBytes)), b.shl(k, 2)), rowBytes, wordBytes: 4 };
    }
    const index = b.sub(tile, tiles);
    const from = b.add(b.add(b.scratch, b.mul(index, layout.tileBytes)), partBytes);
    return { from, rowBytes: layout.rowBytes, wordBytes: shape.a.transposed ? tiling.height * 4 : 4 };
  };
  const wordBytes = width * 4;
  b.for(panel, panelEnd, 1, (index) => {
    const from = b.add(b.add(packed, b.mul(index, panelBytes)), b.mul(k, wordBytes));
    const column = b.mul(index, width);
    eachWidth(parts, b, index, (counts) => {
      eachHeight(b, tiling, tiles, tilesEnd, (tile, row, rows) => {
        const c = b.add(b.add(item.c, b.mul(row, shape.c.stride * 4)), b.shl(column, 2));
        const place = { from: c, rowBytes: shape.c.stride * 4, counts };
        const sums = Array.from({ length: rows }, () => counts.map(() => b.constF(0)));
        if (shape.accumulate || first === "not first") loadSums(b, place, sums);
        else if (first === "some") b.if(k, "gt", 0, () => loadSums(b, place, sums));
        multiply(b, words.kind, rowsOf(tile, row), { from, wordBytes }, depth, plan.unroll, sums);
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

/** Tiles `from` … `to`, all of a height in one loop. */
function eachHeight(
  b: TileBuilder,
  { count, height, tall }: Tiling,
  from: Int,
  to: Int,
  write: (tile: Int, row: Int, rows: number) => void,
): void {
  if (tall > 0) b.for(from, tall === count ? to : b.min(to, tall), 1, (t) => write(t, b.mul(t, height), height));
  if (tall === count) return;
  b.for(b.max(from, tall), to, 1, (t) => write(t, b.add(b.mul(t, height - 1), tall), height - 1));
}

/** The rows of an item's tiles, words `k` … `k + depth`, to scratch. */
function copyBlock(b: TileBuilder, item: Item, k: Int, depth: number): void {
  const { parts, tiles, tilesEnd } = item;
  const { target, shape, tiling, words } = parts;
  const { rowBytes, tileBytes } = copyLayout(parts);
  const source = sourceOf(shape.a);
  const size = bytesOf(shape.a);
  const per = elementsOf(words);
  /** Elements of K in the block: the last one's words may hold one more than there is. */
  const elementsFor = (write: (elements: number) => void): void => {
    const all = depth * per;
    const padded = words.count * per - shape.k;
    if (words.kind === "f32" || padded === 0) return write(all);
    b.if(
      k,
      "ge",
      words.count - depth,
      () => write(all - padded),
      () => write(all),
    );
  };
  const elements = b.mul(k, per * size);
  const room = b.add(b.scratch, partBytes);
  elementsFor((count) => {
    eachHeight(b, tiling, tiles, tilesEnd, (tile, row, rows) => {
      const to = b.add(room, b.mul(b.sub(tile, tiles), tileBytes));
      if (!shape.a.transposed) {
        const [x, y] = [b.add(b.add(item.a, b.mul(row, source.rowBytes)), elements), b.int(to)];
        b.for(0, rows, 1, () => {
          copyRow(b, words.kind, source, x, count, y);
          b.add(x, source.rowBytes, x);
          b.add(y, rowBytes, y);
        });
        return;
      }
      const from = b.add(b.add(item.a, b.mul(row, size)), b.mul(k, per * source.rowBytes));
      const copy = (some: number): void =>
        copyColumns(b, words.kind, source, from, count, [some], to, tiling.height * 4);
      // Whole vectors, as long as they do not reach beyond the last row of C.
      if (rows === target.lanes) copy(rows);
      else
        b.if(
          row,
          "le",
          shape.m - target.lanes,
          () => copy(target.lanes),
          () => copy(rows),
        );
    });
  });
}
