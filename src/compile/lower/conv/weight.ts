/**
 * The gradient of a convolution's weights: dw[tap, channel, o] = Σ over pixels of x[pixel's tap, channel] × dy[pixel, o].
 *
 *     bands of x ──► scratch, with their padding ──► sums of (tap, channel) × o in registers, over a band's pixels
 *         ──► added to the slice's sums ──► slices added in order ──► dw
 *
 * An item is a slice of the bands with a panel of o. How many slices there are depends on the shapes alone, so the order of
 * every addition does too.
 */
import { type ArrayType, type Convolution, sizeOf } from "../../../graph/array.ts";
import type { F32, F32Operand, Int, Target, TileProgram } from "../../tile.ts";
import { at, broadcast, TileBuilder, vector } from "../../tile-builder.ts";
import type { Lowered } from "../lowered.ts";
import { storeChannels } from "./correlate.ts";
import { type Correlation, forward, stretchOf } from "./geometry.ts";
import { bandOf, stepCost, sumsMax } from "./schedule.ts";
import { repeat, type Stage, stage, stageBytes, stageRowBytes, widen } from "./stage.ts";

/** Rows of dw are (tap, channel); a tile sums some rows of a panel. */
interface Plan {
  readonly c: Correlation;
  readonly stage: Stage;
  readonly band: number;
  readonly bands: number;
  readonly slices: number;
  readonly vectors: number;
  readonly tileRows: number;
  /** Rows of dw, all of them; o of a panel; panels of a group, and groups. */
  readonly rows: number;
  readonly width: number;
  readonly panels: number;
  readonly groups: number;
  readonly outer: number;
  /** Channels of a tap. */
  readonly inner: number;
}

const slicesMax = 32;
/** Pixels of a slice at least: adding a slice up costs as much as some sixteen of them. */
const slicePixels = 768;

function planOf(target: Target, c: Correlation): Plan {
  const [rows, columns] = [c.rows[0]!, c.columns[0]!];
  const groups = c.depthwise ? 1 : c.groups;
  const outer = c.depthwise ? c.groups : c.outer;
  const inner = c.depthwise ? 1 : c.inner;
  const all = Math.ceil(outer / target.lanes);
  const [vectors, tileRows] = tileOf(target, c, all, c.depthwise ? 1 : inner * (columns.step === 1 ? columns.taps : 1));
  const band = bandOf(c, rows.outputs, 1);
  const bands = Math.ceil(rows.outputs / band);
  const pixels = c.images * rows.outputs * columns.outputs;
  const width = vectors * target.lanes;
  return {
    ...{ c, band, bands, vectors, tileRows, width, groups, outer, inner },
    slices: Math.max(1, Math.min(slicesMax, c.images * bands, Math.floor(pixels / slicePixels))),
    rows: rows.taps * columns.taps * inner,
    panels: Math.ceil(outer / width),
    stage: {
      ...{ image: c.source, narrow: c.narrow, keeps: false, channels: c.depthwise ? width : c.inner },
      ...{ rows: stretchOf(c.rows, band), columns: stretchOf(c.columns, columns.outputs) },
    },
  };
}

/** Vectors and rows of a tile, by the cost of all rows of a run. */
function tileOf(target: Target, c: Correlation, all: number, run: number): readonly [number, number] {
  const total = c.rows[0]!.taps * c.columns[0]!.taps * c.inner;
  let [best, least] = [[1, 1] as readonly [number, number], Number.POSITIVE_INFINITY];
  for (const vectors of [1, 2, 3, 4]) {
    if (all % vectors !== 0) continue;
    const most = Math.max(1, Math.floor(sumsMax(target, vectors) / vectors));
    for (let rows = 1; rows <= Math.min(most, total); rows++) {
      const length = rows <= run ? run : total;
      const cost = Math.floor(length / rows) * stepCost(rows, vectors) + stepCost(length % rows, vectors);
      const each = (cost / length / vectors) * (1 + 1e-3 / rows);
      if (each < least) [best, least] = [[vectors, rows], each];
    }
  }
  return best;
}

/** (x, dy) → dw. */
export function lowerConvWeight(
  target: Target,
  [x, dy]: readonly [ArrayType, ArrayType],
  w: ArrayType,
  op: Convolution,
): Lowered {
  const plan = planOf(target, forward(x, w, dy, op));
  const partial = plan.groups * plan.panels * plan.rows * plan.width * 4;
  const narrow = dy.dtype === "bf16";
  const widened = { program: lowerWiden(target, dy.shape), items: dy.shape[0]! * dy.shape[1]!, args: [1, 4] };
  const items = plan.slices * plan.groups * plan.panels;
  return {
    calls: [
      ...(narrow ? [widened] : []),
      { program: lowerSlices(target, plan, partial), items, args: [0, narrow ? 4 : 1, 3] },
      { program: lowerSum(target, plan, partial), items: plan.rows, args: [3, 2] },
    ],
    temporaries: [plan.slices * partial, ...(narrow ? [sizeOf(dy.shape) * 4] : [])],
    scratchBytes: stageBytes(plan.stage),
  };
}

/** An item is a row of an image. Parameters: numbers of bf16, the same as f32. */
function lowerWiden(target: Target, shape: readonly number[]): TileProgram {
  const b = new TileBuilder(target);
  const [from, to] = [b.param(), b.param()];
  const count = sizeOf(shape.slice(2));
  b.for(b.begin, b.end, 1, (row) =>
    widen(b, b.add(from, b.mul(row, count * 2)), b.add(to, b.mul(row, count * 4)), count),
  );
  return b.finish(`widen-${count}`);
}

/** Parameters: x, dy, sums [slice][group][panel][row][lane]. */
function lowerSlices(target: Target, plan: Plan, partial: number): TileProgram {
  const { c } = plan;
  const b = new TileBuilder(target);
  const params = { x: b.param(), dy: b.param(), sums: b.param() };
  const xBytes = c.source.rows * c.source.columns * c.source.channels * (c.narrow ? 2 : 4);
  const pixelBytes = c.result.channels * 4;
  const panelBytes = plan.rows * plan.width * 4;
  const units = c.images * plan.bands;
  b.for(b.begin, b.end, 1, (item) => {
    const panels = plan.groups * plan.panels;
    const [slice, panel] = [b.div(item, panels), b.rem(item, panels)];
    const [group, inGroup] = [b.div(panel, plan.panels), b.rem(panel, plan.panels)];
    const sums = b.add(params.sums, b.add(b.mul(slice, partial), b.mul(panel, panelBytes)));
    const zero = b.constF(0);
    b.for(0, panelBytes, target.lanes * 4, (i) => b.store(at(sums, 0, i), zero));
    const dy = b.add(params.dy, b.add(b.mul(group, plan.outer * 4), b.mul(inGroup, plan.width * 4)));
    const size = c.narrow ? 2 : 4;
    const x = b.add(params.x, c.depthwise ? b.mul(inGroup, plan.width * size) : b.mul(group, plan.inner * size));
    const end = b.div(b.mul(b.add(slice, 1), units), plan.slices);
    b.for(b.div(b.mul(slice, units), plan.slices), end, 1, (unit) => {
      const first = b.mul(b.rem(unit, plan.bands), plan.band);
      const image = b.div(unit, plan.bands);
      const top = b.add(b.mul(first, c.rows[0]!.stride), plan.stage.rows.low);
      const from = b.add(x, b.mul(image, xBytes));
      const row = b.add(b.mul(image, c.result.rows), first);
      const at = b.add(dy, b.mul(row, c.result.columns * pixelBytes));
      const count = b.min(b.sub(b.int(c.result.rows), first), plan.band);
      ragged(b, plan, inGroup, (channels) => {
        stage(b, plan.stage, from, top, b.scratch, c.depthwise ? channels : c.inner);
        tiles(b, plan, { x: b.scratch, sums, dy: at, count }, channels);
      });
    });
  });
  return b.finish(
    `conv-weight-${c.depthwise ? "lanes-" : ""}${c.window.join("x")}-${c.result.rows}x${c.result.columns}`,
  );
}

/** Writes `body` for whole panels, and again for the last one where it has fewer channels. */
function ragged(b: TileBuilder, plan: Plan, inGroup: Int, body: (channels: number) => void): void {
  const last = plan.outer - (plan.panels - 1) * plan.width;
  if (last === plan.width || plan.panels === 1) return body(last);
  b.if(
    inGroup,
    "eq",
    plan.panels - 1,
    () => body(last),
    () => body(plan.width),
  );
}

interface Band {
  /** The band in the stage, dy of its first pixel, the panel's sums. */
  readonly x: Int;
  readonly dy: Int;
  readonly sums: Int;
  /** Rows of the band. */
  readonly count: Int;
}

/** All rows of dw, a tile of them at a time: those of a run (elements that follow each other) or, of short runs, any. */
function tiles(b: TileBuilder, plan: Plan, band: Band, channels: number): void {
  const { c, inner, tileRows } = plan;
  const [rows, columns] = [c.rows[0]!, c.columns[0]!];
  const rowBytes = rows.step * stageRowBytes(plan.stage);
  const columnBytes = columns.step * plan.stage.channels * 4;
  const follow = columnBytes === inner * 4;
  const run = follow ? columns.taps * inner : inner;
  const sumBytes = plan.width * 4;
  if (run < tileRows) {
    const offsets = Array.from({ length: plan.rows }, (_, i) => {
      const tap = Math.floor(i / inner);
      return Math.floor(tap / columns.taps) * rowBytes + (tap % columns.taps) * columnBytes + (i % inner) * 4;
    });
    for (let i = 0; i < offsets.length; i += tileRows) {
      tile(b, plan, { ...band, sums: b.add(band.sums, i * sumBytes) }, offsets.slice(i, i + tileRows), channels);
    }
    return;
  }
  const [row, sums] = [b.int(band.x), b.int(band.sums)];
  const offsets = Array.from({ length: tileRows }, (_, i) => 4 * i);
  const some = (x: Int, count: number): void => {
    tile(b, plan, { ...band, x, sums }, offsets.slice(0, count), channels);
    b.add(sums, count * sumBytes, sums);
    b.add(x, count * 4, x);
  };
  repeat(b, rows.taps, () => {
    const column = b.int(row);
    repeat(b, follow ? 1 : columns.taps, () => {
      const x = b.int(column);
      repeat(b, Math.floor(run / tileRows), () => some(x, tileRows));
      if (run % tileRows > 0) some(x, run % tileRows);
      b.add(column, columnBytes, column);
    });
    b.add(row, rowBytes, row);
  });
}

/** Pixels of a row that are written out in a loop's body. */
const pixelsUnrolled = 4;

/** Adds the band's pixels to the sums of some rows, whose elements are `offsets` behind those of a pixel. */
function tile(b: TileBuilder, plan: Plan, band: Band, offsets: readonly number[], channels: number): void {
  const { c, vectors } = plan;
  const width = b.target.lanes * 4;
  const place = (r: number, v: number): number => (r * vectors + v) * width;
  const sums = offsets.map((_, r) => Array.from({ length: vectors }, (_, v) => b.loadF(at(band.sums, place(r, v)))));
  const stageStep = c.columns[0]!.stride * plan.stage.channels * 4;
  const pixelBytes = c.result.channels * 4;
  const [row, dy] = [b.int(band.x), b.int(band.dy)];
  const across = c.result.columns;
  b.for(0, band.count, 1, () => {
    const x = b.int(row);
    const pixels = (count: number): void => {
      for (let n = 0; n < count; n++)
        pixel(b, plan, sums, at(x, n * stageStep), offsets, at(dy, n * pixelBytes), channels);
      b.add(x, count * stageStep, x);
      b.add(dy, count * pixelBytes, dy);
    };
    repeat(b, Math.floor(across / pixelsUnrolled), () => pixels(pixelsUnrolled));
    if (across % pixelsUnrolled > 0) pixels(across % pixelsUnrolled);
    b.add(row, c.rows[0]!.stride * stageRowBytes(plan.stage), row);
  });
  for (const [r, list] of sums.entries()) {
    for (const [v, sum] of list.entries()) b.store(at(band.sums, place(r, v)), sum);
  }
}

type Place = ReturnType<typeof at>;

function pixel(
  b: TileBuilder,
  { c, vectors }: Plan,
  sums: readonly F32[][],
  x: Place,
  offsets: readonly number[],
  dy: Place,
  channels: number,
): void {
  const { lanes } = b.target;
  const gradients = Array.from({ length: vectors }, (_, v) => loadChannels(b, dy, v * lanes, channels));
  for (const [r, offset] of offsets.entries()) {
    const from = at(x.base, x.offset + offset);
    const shared: F32 | undefined = !c.depthwise && vectors > 1 ? b.broadcastF(from) : undefined;
    for (const [v, gradient] of gradients.entries()) {
      const value: F32Operand = c.depthwise
        ? vector(at(x.base, x.offset + offset + v * lanes * 4))
        : (shared ?? broadcast(from));
      b.fma(sums[r]![v]!, gradient, value);
    }
  }
}

/** Channels `first` … of `channels` at a place, zeros behind them. */
function loadChannels(b: TileBuilder, from: Place, first: number, channels: number): F32 {
  const left = channels - first;
  const place = at(from.base, from.offset + first * 4);
  if (left <= 0) return b.constF(0);
  return left >= b.target.lanes ? b.loadF(place) : b.loadPartF(place, left);
}

/** Parameters: sums, dw. An item is a row of dw. */
function lowerSum(target: Target, plan: Plan, partial: number): TileProgram {
  const { slices, groups, panels, rows, width, outer, vectors } = plan;
  const b = new TileBuilder(target);
  const [from, to] = [b.param(), b.param()];
  b.for(b.begin, b.end, 1, (row) => {
    const source = b.add(from, b.mul(row, width * 4));
    const out = b.add(to, b.mul(row, groups * outer * 4));
    b.for(0, groups, 1, () => {
      b.for(0, panels, 1, (panel) => {
        const sums = Array.from({ length: vectors }, (_, v) => b.loadF(at(source, v * target.lanes * 4)));
        const next = b.int(source);
        b.for(1, slices, 1, () => {
          b.add(next, partial, next);
          for (const [v, sum] of sums.entries()) b.fadd(sum, vector(at(next, v * target.lanes * 4)), sum);
        });
        ragged(b, plan, panel, (channels) => storeChannels(b, out, 0, sums, channels));
        b.add(source, rows * width * 4, source);
        b.add(out, Math.min(width, outer) * 4, out);
      });
      const over = panels * Math.min(width, outer) - outer;
      if (over > 0) b.sub(out, over * 4, out);
    });
  });
  return b.finish(`conv-weight-sum-${plan.c.window.join("x")}`);
}
