/**
 * A correlation as one kernel: an item is a band of rows of an image.
 *
 *     band of the source ──► scratch, with its padding ──► for each phase, panel, tile: sums in registers ──► result
 */
import type { F32, Int, Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { type Axis, type Correlation, stretchOf } from "./geometry.ts";
import { type Packing, packedBytes, packingOf, phaseBytes, tapBytes } from "./pack.ts";
import { type ConvSchedule, chooseSchedule } from "./schedule.ts";
import { repeat, type Stage, stage, stageBytes, stagedBytes, stageRowBytes } from "./stage.ts";
import { type Elements, sumTile, type Taps } from "./tile.ts";

export interface CorrelationKernel {
  readonly program: TileProgram;
  readonly items: number;
  readonly packing: Packing;
  readonly packedBytes: number;
  readonly scratchBytes: number;
}

/** Everything about a kernel that its parts ask for. */
interface Plan {
  readonly c: Correlation;
  readonly schedule: ConvSchedule;
  readonly packing: Packing;
  readonly stage: Stage;
  readonly bands: number;
}

function elementsOf(target: Target, c: Correlation): Elements {
  if (c.depthwise) return "lanes";
  if (!c.narrow || c.inner % 2 === 1) return "f32";
  return target.dotBf16 ? "pairs" : "swapped";
}

/** Parameters: source, weights as `lowerPackTaps` leaves them, result. */
export function lowerCorrelation(
  target: Target,
  c: Correlation,
  schedule: ConvSchedule = chooseSchedule(target, c),
): CorrelationKernel {
  const elements = elementsOf(target, c);
  const packing = packingOf(c, elements, target, schedule.vectors);
  const plan: Plan = {
    ...{ c, schedule, packing, bands: Math.ceil(Math.max(...c.rows.map((a) => a.outputs)) / schedule.band) },
    stage: {
      ...{ image: c.source, channels: c.source.channels, narrow: c.narrow, keeps: elements === "pairs" },
      rows: stretchOf(c.rows, schedule.band),
      columns: stretchOf(c.columns, Number.POSITIVE_INFINITY),
    },
  };
  const b = new TileBuilder(target);
  const params = { source: b.param(), weights: b.param(), result: b.param() };
  const { source, result } = c;
  const sourceBytes = source.rows * source.columns * source.channels * (c.narrow ? 2 : 4);
  b.for(b.begin, b.end, 1, (item) => {
    const image = b.div(item, plan.bands);
    const first = b.mul(b.rem(item, plan.bands), schedule.band);
    const top = b.add(b.mul(first, c.rows[0]!.stride), plan.stage.rows.low);
    stage(b, plan.stage, b.add(params.source, b.mul(image, sourceBytes)), top, b.scratch);
    const to = b.add(params.result, b.mul(image, result.rows * result.columns * result.channels * 4));
    for (const [r, rows] of c.rows.entries()) {
      for (const [k, columns] of c.columns.entries()) {
        const weights = b.add(params.weights, phaseBytes(packing, c, r, k));
        phase(b, plan, rows, columns, { first, weights, to });
      }
    }
  });
  const name = `conv-${c.transposed ? "input-" : ""}${elements}-${c.window.join("x")}-${result.rows}x${result.columns}`;
  return {
    ...{ program: b.finish(name), items: c.images * plan.bands, packing },
    ...{ packedBytes: packedBytes(packing, c), scratchBytes: stageBytes(plan.stage) },
  };
}

interface Band {
  /** The band's first output row of each phase. */
  readonly first: Int;
  /** The phase's weights, and the image of the result. */
  readonly weights: Int;
  readonly to: Int;
}

/** All groups and panels of a phase. */
function phase(b: TileBuilder, plan: Plan, rows: Axis, columns: Axis, { first, weights, to }: Band): void {
  const { c, schedule, packing } = plan;
  const elementBytes = stagedBytes(plan.stage);
  const count = b.min(b.sub(b.int(rows.outputs), first), schedule.band);
  const top = (rows.taps === 0 ? 0 : rows.first - plan.stage.rows.low) * stageRowBytes(plan.stage);
  const left = columns.taps === 0 ? 0 : (columns.first - plan.stage.columns.low) * c.source.channels * elementBytes;
  const corner = b.add(b.scratch, top + left);
  const { columns: across, channels } = c.result;
  const target = b.add(to, b.mul(b.add(b.mul(first, rows.apart), rows.from), across * channels * 4));
  b.add(target, columns.from * channels * 4, target);
  const panel = b.int(weights);
  b.for(0, packing.groups, 1, (group) => {
    const place = {
      x: b.add(corner, b.mul(group, packing.inner * elementBytes)),
      to: b.add(target, b.mul(group, packing.outer * 4)),
    };
    b.for(0, packing.panels, 1, (index) => {
      const at = {
        x: c.depthwise ? b.add(place.x, b.mul(index, packing.width * elementBytes)) : place.x,
        to: b.add(place.to, b.mul(index, packing.width * 4)),
      };
      blocks(b, plan, rows, columns, { ...at, count, weights: panel, index });
    });
  });
}

/** Bytes of a panel's weights that stay in the nearest cache, beside a stage, while all tiles of a band use them. */
const blockBytesWanted = 20 * 1024;

/**
 * All taps of a panel, some at a time: their sums wait in the result in between, which changes no bit of them. Moves
 * `weights` behind the panel.
 */
function blocks(b: TileBuilder, plan: Plan, rows: Axis, columns: Axis, place: PanelPlace): void {
  const bytes = tapBytes(plan.packing);
  const rowBytes = columns.taps * bytes;
  const some = (taps: Taps, rowsOf: Axis, columnsOf: Axis, x: Int, begun: Int | undefined): void => {
    tiles(b, plan, rowsOf, columnsOf, { ...place, x, begun, taps });
    b.add(place.weights, rowsOf.taps * columnsOf.taps * bytes, place.weights);
    if (begun !== undefined) b.assign(begun, b.int(1));
  };
  const high = Math.max(1, Math.floor(blockBytesWanted / rowBytes));
  if (rowBytes === 0 || high >= rows.taps) {
    return some(tapsOf(plan, rows, columns), rows, columns, place.x, undefined);
  }
  const [begun, row] = [b.int(0), b.int(place.x)];
  const single = { ...columns, taps: 1 };
  const stageRow = rows.step * stageRowBytes(plan.stage);
  const stageColumn = columns.step * plan.c.source.channels * stagedBytes(plan.stage);
  if (rowBytes > 2 * blockBytesWanted) {
    const one = { ...rows, taps: 1 };
    return repeat(b, rows.taps, () => {
      const column = b.int(row);
      repeat(b, columns.taps, () => {
        some(tapsOf(plan, one, single), one, single, column, begun);
        b.add(column, stageColumn, column);
      });
      b.add(row, stageRow, row);
    });
  }
  const whole = { ...rows, taps: high };
  repeat(b, Math.floor(rows.taps / high), () => {
    some(tapsOf(plan, whole, columns), whole, columns, row, begun);
    b.add(row, high * stageRow, row);
  });
  const rest = { ...rows, taps: rows.taps % high };
  if (rest.taps > 0) some(tapsOf(plan, rest, columns), rest, columns, row, begun);
}

interface PanelPlace {
  /** The first pixel of the band in the stage, and in the result. */
  readonly x: Int;
  readonly to: Int;
  readonly weights: Int;
  readonly index: Int;
  /** Rows of the band. */
  readonly count: Int;
}

/** Some taps of a panel: sums go on with what the result holds where `begun` is not 0. */
interface BlockPlace extends PanelPlace {
  readonly taps: Taps;
  readonly begun: Int | undefined;
}

/** Where the outputs of a phase are, in bytes. */
interface Steps {
  readonly stageRow: number;
  readonly stageColumn: number;
  readonly row: number;
  readonly column: number;
}

function stepsOf({ c, stage }: Plan, rows: Axis, columns: Axis): Steps {
  const { columns: across, channels } = c.result;
  return {
    stageRow: rows.stride * stageRowBytes(stage),
    stageColumn: columns.stride * c.source.channels * stagedBytes(stage),
    row: rows.apart * across * channels * 4,
    column: columns.apart * channels * 4,
  };
}

/** All tiles of a panel. */
function tiles(b: TileBuilder, plan: Plan, rows: Axis, columns: Axis, place: BlockPlace): void {
  const { schedule } = plan;
  const steps = stepsOf(plan, rows, columns);
  const width = Math.min(schedule.columns, columns.outputs);
  const whole = columns.outputs - (columns.outputs % width);
  const next = b.int(0);
  for (const high of schedule.rows > 1 ? [schedule.rows, 1] : [1]) {
    b.for(next, b.sub(place.count, high - 1), high, (row) => {
      const x = b.add(place.x, b.mul(row, steps.stageRow));
      const to = b.add(place.to, b.mul(row, steps.row));
      repeat(b, whole / width, () => {
        tile(b, plan, { ...place, x, to }, steps, high, width);
        b.add(x, width * steps.stageColumn, x);
        b.add(to, width * steps.column, to);
      });
      const rest = columns.outputs - whole;
      if (rest > 0) tile(b, plan, { ...place, x, to }, steps, high, rest);
      b.add(row, high, next);
    });
  }
}

function tile(
  b: TileBuilder,
  { schedule, packing }: Plan,
  { taps, begun, ...place }: BlockPlace,
  steps: Steps,
  high: number,
  width: number,
): void {
  const all = Array.from({ length: high * width }, (_, i) => [Math.floor(i / width), i % width] as const);
  const pixels = all.map(([i, j]) => i * steps.stageRow + j * steps.stageColumn);
  const places = all.map(([i, j]) => i * steps.row + j * steps.column);
  const sums = pixels.map(() => Array.from({ length: schedule.vectors }, () => b.constF(0)));
  const last = packing.outer - (packing.panels - 1) * packing.width;
  const byPanel = (write: (channels: number) => void): void => {
    if (last === packing.width || packing.panels === 1) return write(last);
    b.if(
      place.index,
      "eq",
      packing.panels - 1,
      () => write(last),
      () => write(packing.width),
    );
  };
  const load = (): void =>
    byPanel((channels) => {
      for (const [p, offset] of places.entries()) loadChannels(b, place.to, offset, sums[p]!, channels);
    });
  if (begun !== undefined) b.if(begun, "ne", 0, load);
  sumTile(b, { elements: packing.elements, vectors: schedule.vectors, taps, pixels }, sums, place.x, place.weights);
  byPanel((channels) => {
    for (const [p, offset] of places.entries()) storeChannels(b, place.to, offset, sums[p]!, channels);
  });
}

/** Taps of a row whose elements follow each other are one run. */
function tapsOf({ c, packing, stage }: Plan, rows: Axis, columns: Axis): Taps {
  const columnBytes = columns.step * c.source.channels * stagedBytes(stage);
  const rowTaps = { rows: rows.taps, rowBytes: rows.step * stageRowBytes(stage) };
  const follow = packing.inner * stagedBytes(stage) === columnBytes && columns.taps > 0;
  if (follow) return { ...rowTaps, columns: 1, columnBytes, run: columns.taps * packing.inner };
  return { ...rowTaps, columns: columns.taps, columnBytes, run: packing.inner };
}

/** Vectors get the first `channels` that lie at `from`, and keep what they have behind them. */
function loadChannels(b: TileBuilder, from: Int, offset: number, sums: readonly F32[], channels: number): void {
  const { lanes } = b.target;
  for (const [i, sum] of sums.entries()) {
    const left = channels - i * lanes;
    const place = at(from, offset + i * lanes * 4);
    if (left > 0) b.assign(sum, left >= lanes ? b.loadF(place) : b.loadPartF(place, left));
  }
}

/** The first `channels` of these vectors. */
export function storeChannels(b: TileBuilder, to: Int, offset: number, sums: readonly F32[], channels: number): void {
  const { lanes } = b.target;
  for (const [i, sum] of sums.entries()) {
    const left = channels - i * lanes;
    const place = at(to, offset + i * lanes * 4);
    if (left >= lanes) b.store(place, sum);
    else if (left > 0) b.storePart(place, sum, left);
  }
}
