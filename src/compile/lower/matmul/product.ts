/** The kernel that multiplies: A by the panels of B. */
import type { F32, I32, Int, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { type Epilogue, scaled } from "./epilogue.ts";
import { copiedFrom, copiedRowBytes, copyRows, copyScratch, packPanel, packScratch } from "./pack.ts";
import { eachHeight, eachWidth, nameOf, type Parts, rowOf } from "./parts.ts";
import { bytesOf } from "./shape.ts";
import { addC, addVectors, isInteger, multiply, type Place, type Sums, storeC } from "./tile.ts";

export const itemsOf = ({ shape: { batch = 1 }, plan, tiling, panels }: Parts): number =>
  batch * Math.ceil(tiling.count / plan.tilesPerItem) * Math.ceil(panels / plan.panelsPerItem);

interface Item {
  readonly parts: Parts;
  readonly epilogue: Epilogue | undefined;
  readonly parameters: readonly Int[];
  readonly scales: { readonly rows: Int; readonly columns: Int } | undefined;
  readonly matrix: Int;
  readonly a: Int;
  readonly packed: Int;
  readonly c: Int;
  readonly tiles: Int;
  readonly tilesEnd: Int;
  readonly panel: Int;
  readonly panelEnd: Int;
}

/** Scratch: what is read of A, and where items pack B, the room for that and a panel. */
const panelFrom = (parts: Parts): number => copyScratch(parts) + packScratch(parts);
export const productScratch = (parts: Parts): number =>
  parts.plan.packB === "item" ? panelFrom(parts) + parts.panelBytes : copyScratch(parts);

/** Parameters: A, panels (or B, where items pack it), C, (scales of rows, of columns,) those of the epilogue. An item is some tiles by some panels. */
export function product(parts: Parts, epilogue: Epilogue | undefined): TileProgram {
  const { target, shape, plan, words, tiling, panels, panelBytes } = parts;
  const b = new TileBuilder(target);
  const [a, packed, c] = [b.param(), b.param(), b.param()];
  const scales = shape.scaled ? { rows: b.param(), columns: b.param() } : undefined;
  const parameters = Array.from({ length: epilogue?.parameters ?? 0 }, () => b.param());
  const across = Math.ceil(panels / plan.panelsPerItem);
  const down = Math.ceil(tiling.count / plan.tilesPerItem);
  const batch = shape.batch ?? 1;
  const matrixBytes = plan.packB === "item" ? (shape.b.batchStride ?? 0) * bytesOf(shape.b) : panels * panelBytes;
  b.for(b.begin, b.end, 1, (item) => {
    const matrix = batch === 1 ? b.int(0) : b.div(item, across * down);
    const inside = batch === 1 ? item : b.rem(item, across * down);
    // Items side by side share their rows of A.
    const tiles = b.mul(b.div(inside, across), plan.tilesPerItem);
    const panel = b.mul(b.rem(inside, across), plan.panelsPerItem);
    const moved = (base: Int, bytes: number): Int =>
      bytes === 0 || batch === 1 ? base : b.add(base, b.mul(matrix, bytes));
    const one: Item = {
      ...{ parts, epilogue, parameters, matrix, tiles, panel },
      scales: scales && {
        rows: moved(scales.rows, shape.m * 4),
        columns: moved(scales.columns, shape.b.batchStride ? shape.n * 4 : 0),
      },
      a: moved(a, (shape.a.batchStride ?? 0) * bytesOf(shape.a)),
      packed: moved(packed, shape.b.batchStride ? matrixBytes : 0),
      c: moved(c, (shape.c.batchStride ?? 0) * 4),
      tilesEnd: b.min(b.add(tiles, plan.tilesPerItem), tiling.count),
      panelEnd: b.min(b.add(panel, plan.panelsPerItem), panels),
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

/** What is known of a block of K when the kernel is written. */
type First = "first" | "some" | "not first";
type Last = "last" | "some" | "not last";

/** `depth` words of K from word `k` on, for all of an item's tiles and panels. */
function block(b: TileBuilder, item: Item, k: Int, depth: number, first: First, last: Last): void {
  const { parts, packed, panel, panelEnd, tiles, tilesEnd } = item;
  const { shape, plan, tiling, width, panelBytes, words } = parts;
  const firstRow = rowOf(b, tiling, tiles);
  const endRow = rowOf(b, tiling, tilesEnd);
  if (plan.copyA) copyRows(b, parts, item.a, firstRow, endRow, k, depth);
  const across = shape.a.transposed && !plan.copyA;
  const stride = shape.a.stride * bytesOf(shape.a);
  const rowBytes = plan.copyA ? copiedRowBytes(parts) : across ? 4 : stride;
  const wordBytes = across ? stride : 4;
  const rows = plan.copyA
    ? b.add(b.scratch, copiedFrom(parts))
    : b.add(b.add(item.a, b.mul(firstRow, rowBytes)), b.mul(k, wordBytes));
  const lineBytes = width * 4;
  b.for(panel, panelEnd, 1, (index) => {
    const packs = plan.packB === "item";
    const panelAt = packs ? b.add(b.scratch, panelFrom(parts)) : b.add(packed, b.mul(index, panelBytes));
    const from = packs ? panelAt : b.add(panelAt, b.mul(k, lineBytes));
    const column = b.mul(index, width);
    eachWidth(parts, b, index, (counts) => {
      const ahead = nextPanel(b, item, index);
      if (packs) packPanel(b, parts, packed, index, counts, panelAt, b.add(b.scratch, copyScratch(parts)));
      eachHeight(b, tiling, tiles, tilesEnd, (_, row, count) => {
        const c = b.add(b.add(item.c, b.mul(row, shape.c.stride * 4)), b.shl(column, 2));
        const place = { from: c, rowBytes: shape.c.stride * 4, counts };
        const inItem = b.sub(row, firstRow);
        const corrections = words.kind === "quads" ? b.add(panelAt, words.count * lineBytes) : undefined;
        const sums = begin(b, parts, count, counts, first === "first" ? corrections : undefined);
        const isFirst = (): void => void (corrections && addVectors(b, corrections, sums));
        if (shape.accumulate || first === "not first") addC(b, place, sums);
        if (first === "some" && shape.accumulate) b.if(k, "eq", 0, isFirst);
        else if (first === "some") b.if(k, "gt", 0, () => addC(b, place, sums), isFirst);
        const tile = { from: b.add(rows, b.mul(inItem, rowBytes)), rowBytes, wordBytes };
        multiply(b, words.kind, tile, { from, lineBytes }, depth, plan.unroll, sums, ahead);
        const finish = (): void => store(b, item, row, column, place, sums);
        const wait = (): void => storeC(b, place, sums, (sum) => sum);
        if (last === "not last") wait();
        else if (last === "last") finish();
        else b.if(k, "ge", words.count - depth, finish, wait);
      });
    });
  });
}

/** Where an item packs B, what it packs next: fetched while this panel is multiplied, if it is one run of memory. */
function nextPanel(b: TileBuilder, { parts, packed }: Item, index: Int): Int | undefined {
  const { plan, shape, width, target } = parts;
  if (plan.packB === "call" || !shape.b.transposed || shape.b.stride !== shape.k || target.lanes === 4)
    return undefined;
  const panelBytes = width * shape.k * bytesOf(shape.b);
  return b.add(packed, b.mul(b.add(index, 1), panelBytes));
}

/** The first sums of a tile: zeros, or what takes back that bytes of A are multiplied as 128 more than they are. */
function begin(b: TileBuilder, parts: Parts, rows: number, counts: readonly number[], from: Int | undefined): Sums {
  const { words, target } = parts;
  const first = (v: number): F32 | I32 => {
    if (from !== undefined) return b.loadI(at(from, v * target.lanes * 4));
    return isInteger(words.kind) ? b.constI(0) : b.constF(0);
  };
  return Array.from({ length: rows }, () => counts.map((_, v) => first(v)));
}

function store(b: TileBuilder, item: Item, row: Int, column: Int, place: Place, sums: Sums): void {
  const { epilogue, scales, parameters, matrix } = item;
  const { counts } = place;
  const scale =
    scales &&
    scaled(b, { rows: b.add(scales.rows, b.shl(row, 2)), columns: b.add(scales.columns, b.shl(column, 2)) }, counts);
  const after = epilogue?.begin(b, { parameters, matrix, row, column, counts });
  storeC(b, place, sums, (sum, r, v) => {
    const value = scale === undefined ? sum : scale(sum as I32, r, v);
    return after === undefined ? value : after(value as F32, r, v);
  });
}
