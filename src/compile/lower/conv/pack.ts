/**
 * Weights of a convolution [h, w, C / groups, O] in the order in which a correlation reads them:
 * [phase of rows][phase of columns][group][panel][tap][element][lane], zeros where a panel has no channel.
 */
import type { Int, Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import type { Axis, Correlation } from "./geometry.ts";
import type { Elements } from "./tile.ts";

export interface Packing {
  readonly elements: Elements;
  readonly lanes: number;
  /** Channels of a panel. */
  readonly width: number;
  /** Of a group; where channels are groups, of all. */
  readonly panels: number;
  readonly groups: number;
  /** Channels of the result that the panels of a group hold, and elements of a tap. */
  readonly outer: number;
  readonly inner: number;
}

export function packingOf(c: Correlation, elements: Elements, target: Target, vectors: number): Packing {
  const width = vectors * target.lanes;
  const outer = c.depthwise ? c.groups : c.outer;
  return {
    ...{ elements, lanes: target.lanes, width, outer, panels: Math.ceil(outer / width) },
    ...{ groups: c.depthwise ? 1 : c.groups, inner: c.depthwise ? 1 : c.inner },
  };
}

/** Bytes of a tap of a panel. A pair of bf16 takes the place of one f32. */
export const tapBytes = (p: Packing): number => (p.elements === "pairs" ? p.inner / 2 : p.inner) * p.width * 4;
export const panelBytes = (p: Packing, rows: Axis, columns: Axis): number => rows.taps * columns.taps * tapBytes(p);

/** Where the panels of a phase begin; of the phase behind the last: how many bytes there are. */
export function phaseBytes(p: Packing, c: Correlation, row: number, column: number): number {
  const tapsOf = (axes: readonly Axis[]): number => axes.reduce((sum, { taps }) => sum + taps, 0);
  const before = tapsOf(c.rows.slice(0, row)) * tapsOf(c.columns);
  const within = (c.rows[row]?.taps ?? 0) * tapsOf(c.columns.slice(0, column));
  return (before + within) * p.groups * p.panels * tapBytes(p);
}

export const packedBytes = (p: Packing, c: Correlation): number => phaseBytes(p, c, c.rows.length, 0);

/** True where the weights lie in that order as they are. */
export const isPacked = (p: Packing, c: Correlation): boolean =>
  !c.transposed && !c.narrow && p.groups === 1 && p.panels === 1 && p.outer === p.width;

/** An item is an element (a pair of them) of a panel, for all taps of all phases. Parameters: weights, packed. */
export function lowerPackTaps(target: Target, c: Correlation, p: Packing): { program: TileProgram; items: number } {
  const b = new TileBuilder(target);
  const [from, to] = [b.param(), b.param()];
  const steps = p.elements === "pairs" ? p.inner / 2 : p.inner;
  b.for(b.begin, b.end, 1, (item) => {
    const panel = b.div(item, steps);
    const element = b.rem(item, steps);
    const inGroup = b.rem(panel, p.panels);
    const write = (count: number): void => packElement(b, c, p, { from, to, panel, element, inGroup, count });
    const last = p.outer - (p.panels - 1) * p.width;
    b.if(
      inGroup,
      "eq",
      p.panels - 1,
      () => write(last),
      () => write(p.width),
    );
  });
  return { program: b.finish(`conv-pack-${p.elements}-${c.window.join("x")}`), items: p.groups * p.panels * steps };
}

interface Element {
  readonly from: Int;
  readonly to: Int;
  /** Counted over all groups, and within its own. */
  readonly panel: Int;
  readonly inGroup: Int;
  readonly element: Int;
  /** Channels that the panel has. */
  readonly count: number;
}

function packElement(b: TileBuilder, c: Correlation, p: Packing, e: Element): void {
  const [, across, channels, outputs] = c.window;
  const size = c.narrow ? 2 : 4;
  // Between elements, and between lanes, of the stored weights.
  const swapped = c.transposed && !c.depthwise;
  const [elementStride, laneStride] = swapped ? [size, outputs * size] : [outputs * size, size];
  const group = b.div(e.panel, p.panels);
  const start = b.mul(group, (swapped ? p.inner : p.outer) * size);
  b.add(start, b.mul(b.mul(e.inGroup, p.width), laneStride), start);
  b.add(start, b.mul(e.element, elementStride * (p.elements === "pairs" ? 2 : 1)), start);
  b.add(start, e.from, start);
  const tap = channels * outputs * size;
  for (const [r, rows] of c.rows.entries()) {
    for (const [k, columns] of c.columns.entries()) {
      const to = b.add(e.to, b.add(b.mul(e.panel, panelBytes(p, rows, columns)), phaseBytes(p, c, r, k)));
      b.add(to, b.mul(e.element, p.width * 4), to);
      const row = b.add(start, (rows.place * across + columns.place) * tap);
      b.for(0, rows.taps, 1, () => {
        const source = b.int(row);
        b.for(0, columns.taps, 1, () => {
          packLanes(b, p, source, to, e.count, { size, laneStride, elementStride });
          b.add(source, columns.every * tap, source);
          b.add(to, tapBytes(p), to);
        });
        b.add(row, rows.every * across * tap, row);
      });
    }
  }
}

/** One element for all lanes of a panel, of which `count` exist. */
function packLanes(
  b: TileBuilder,
  p: Packing,
  from: Int,
  to: Int,
  count: number,
  { size, laneStride, elementStride }: { size: number; laneStride: number; elementStride: number },
): void {
  const whole = size === 4 && laneStride === 4 ? count - (count % p.lanes) : 0;
  for (let lane = 0; lane < whole; lane += p.lanes) b.store(at(to, 4 * lane), b.loadF(at(from, 4 * lane)));
  const source = b.add(from, whole * laneStride);
  b.for(whole, count, 1, (lane) => {
    const low = b.loadInt(at(source), size === 2 ? "u16" : "i32");
    let word = low;
    if (p.elements === "pairs") word = b.or(low, b.shl(b.loadInt(at(source, elementStride), "u16"), 16));
    else if (size === 2) word = b.shl(low, 16);
    b.storeInt(at(to, 0, lane, 4), word);
    b.add(source, laneStride, source);
  });
  b.for(count, p.width, 1, (lane) => b.storeInt(at(to, 0, lane, 4), b.int(0)));
}
