/**
 * A band of an image, copied to a thread's scratch with the zeros of its padding around it: kernels read it without asking
 * where the image ends. The copy costs a vector for each tap of each output channel that it saves a comparison.
 */
import type { Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";
import type { Image, Stretch } from "./geometry.ts";

export interface Stage {
  readonly image: Image;
  /** Elements of the image are bf16; those of the stage are f32, or as they were where `keeps`. */
  readonly narrow: boolean;
  readonly keeps: boolean;
  readonly rows: Stretch;
  readonly columns: Stretch;
  /** Channels of a pixel that the stage has room for: all of them, or those that are used together. */
  readonly channels: number;
}

export const stagedBytes = ({ keeps }: Stage): number => (keeps ? 2 : 4);
export const stageRowBytes = (s: Stage): number => s.columns.extent * s.channels * stagedBytes(s);
/** With what zeros may run over the end by, and vectors be read beyond it. */
export const stageBytes = (s: Stage): number => s.rows.extent * stageRowBytes(s) + 256;

/** Writes `body` once, or a loop of it. */
export function repeat(b: TileBuilder, count: number, body: () => void): void {
  if (count === 1) body();
  else if (count > 1) b.for(0, count, 1, body);
}

/**
 * Rows from `top` on (which may lie outside) of the image at `from`, to scratch at `to`. `count` channels of each pixel, from
 * `from` on, are copied: as many as there is room for, or fewer.
 */
export function stage(b: TileBuilder, s: Stage, from: Int, top: Int, to: Int, count = s.channels): void {
  const { rows, columns } = s.image;
  const { low, extent } = s.columns;
  const left = Math.min(extent, Math.max(0, -low));
  const first = Math.max(0, low);
  const seen = Math.max(0, Math.min(columns - first, extent - left));
  const pixelBytes = s.channels * stagedBytes(s);
  const stored = s.image.channels * (s.narrow ? 2 : 4);
  const row = b.int(to);
  b.for(top, b.add(top, s.rows.extent), 1, (y) => {
    const blank = (): void => zeros(b, row, extent * pixelBytes);
    const copied = (): void => {
      zeros(b, row, left * pixelBytes);
      zeros(b, b.add(row, (left + seen) * pixelBytes), (extent - left - seen) * pixelBytes);
      const x = b.add(b.add(from, b.mul(y, columns * stored)), first * stored);
      const target = b.add(row, left * pixelBytes);
      const whole = count === s.channels && count === s.image.channels;
      if (whole) return copyNumbers(b, s, x, target, seen * count);
      b.for(0, seen, 1, () => {
        copyNumbers(b, s, x, target, count);
        b.add(x, stored, x);
        b.add(target, pixelBytes, target);
      });
    };
    b.if(y, "lt", 0, blank, () => b.if(y, "lt", rows, copied, blank));
    b.add(row, stageRowBytes(s), row);
  });
}

function copyNumbers(b: TileBuilder, s: Stage, from: Int, to: Int, count: number): void {
  if (s.narrow && !s.keeps) widen(b, from, to, count);
  else copyBytes(b, from, to, count * stagedBytes(s));
}

/** At least `bytes`, up to a vector more. */
function zeros(b: TileBuilder, to: Int, bytes: number): void {
  const width = b.target.lanes * 4;
  if (bytes <= 0) return;
  const zero = b.constF(0);
  if (bytes <= 8 * width) {
    for (let i = 0; i < bytes; i += width) b.store(at(to, i), zero);
  } else b.for(0, bytes, width, (i) => b.store(at(to, 0, i), zero));
}

/** Just `bytes`, a multiple of two; a last vector overlaps the one before it. */
export function copyBytes(b: TileBuilder, from: Int, to: Int, bytes: number): void {
  const width = b.target.lanes * 4;
  if (bytes <= 0) return;
  if (bytes < width) {
    for (let i = 0; i + 4 <= bytes; i += 4) b.storeInt(at(to, i), b.loadInt(at(from, i)));
    if (bytes % 4 !== 0) b.storeInt(at(to, bytes - 2), b.loadInt(at(from, bytes - 2), "u16"), "u16");
    return;
  }
  const whole = bytes - (bytes % width);
  const vectors = whole / width;
  const once = (i: number, index?: Int): void => b.store(at(to, i, index), b.loadF(at(from, i, index)));
  const unrolled = vectors % 4 === 0 ? 4 : vectors % 3 === 0 ? 3 : vectors % 2 === 0 ? 2 : 1;
  if (vectors === unrolled) for (let n = 0; n < unrolled; n++) once(n * width);
  else {
    b.for(0, whole, unrolled * width, (i) => {
      for (let n = 0; n < unrolled; n++) once(n * width, i);
    });
  }
  if (bytes > whole) once(bytes - width);
}

/** `count` numbers of bf16 to f32. */
export function widen(b: TileBuilder, from: Int, to: Int, count: number): void {
  const { lanes } = b.target;
  if (count < lanes) {
    for (let i = 0; i < count; i++) b.storeInt(at(to, 4 * i), b.shl(b.loadInt(at(from, 2 * i), "u16"), 16));
    return;
  }
  const whole = count - (count % lanes);
  b.for(0, whole, lanes, (i) => b.store(at(to, 0, i, 4), b.loadF(at(from, 0, i, 2), "bf16")));
  if (count > whole) b.store(at(to, 4 * (count - lanes)), b.loadF(at(from, 2 * (count - lanes)), "bf16"));
}
