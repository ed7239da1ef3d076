/**
 * Packing: rows of weights as a file holds them → panels (`layout.ts`). A row's block is words of four bytes, which go where
 * its format says; scales and their factors are taken apart. An item is a panel; rows beyond the last stay zero.
 */
import {
  type BlockLayout,
  type BlockType,
  blockFormats,
  blockLayout,
  longFiveWord,
  panelRows,
  sixWord,
} from "../block-format.ts";
import { type WeightFormat, weightLayout } from "../layout.ts";
import type { Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";

/** Bytes of a row of `k` in the file, for the formats that are packed as they are. */
export function storedRowBytes(format: WeightFormat, k: number): number {
  if (format.kind === "blocks") {
    const { block, storedBytes } = blockFormats[format.type];
    return (k / block) * storedBytes;
  }
  return k * (format.kind === "f32" ? 4 : 2);
}

/** Parameters: rows (from the panel `begin` on), panels, number of rows. f32 and bf16 rows, or those of a block format. */
export function lowerPack(target: Target, format: WeightFormat, n: number, k: number): TileProgram {
  const b = new TileBuilder(target);
  const [from, to, count] = [b.param(), b.param(), b.param()];
  const rowBytes = storedRowBytes(format, k);
  const { panelBytes } = weightLayout(format, n, k);
  b.for(b.begin, b.end, 1, (item) => {
    const first = b.shl(item, 5);
    const source = b.add(from, b.mul(first, rowBytes));
    const panel = b.add(to, b.mul(item, panelBytes));
    const rows = b.min(b.sub(count, first), panelRows);
    if (format.kind === "blocks") blocks(b, format.type, k, source, panel, rows);
    else words(b, rowBytes, source, panel, rows);
  });
  return b.finish(`pack-${format.kind === "blocks" ? format.type : format.kind}-${n}x${k}`);
}

/** Columns are taken in runs, all rows of one before the next: what a run writes stays in the nearest cache. */
const runWords = 64;

/** Rows of words to the panel's columns; a bf16 row of odd length ends in half a word. */
function words(b: TileBuilder, rowBytes: number, source: Int, panel: Int, rows: Int): void {
  const count = Math.floor(rowBytes / 4);
  const run = (from: Int, to: Int, length: number): void => {
    const [cursor, column] = [b.int(from), b.int(to)];
    b.for(0, rows, 1, () => {
      for (let n = 0; n < length; n++) b.storeInt(at(column, n * panelRows * 4), b.loadInt(at(cursor, 4 * n)));
      b.add(cursor, rowBytes, cursor);
      b.add(column, 4, column);
    });
  };
  const [from, to] = [b.int(source), b.int(panel)];
  b.for(0, Math.floor(count / runWords), 1, () => {
    run(from, to, runWords);
    b.add(from, runWords * 4, from);
    b.add(to, runWords * panelRows * 4, to);
  });
  if (count % runWords > 0) run(from, to, count % runWords);
  if (rowBytes % 4 === 0) return;
  const place = (count % runWords) * 4;
  b.for(0, rows, 1, (row) => {
    const last = b.loadInt(at(from, place, b.mul(row, rowBytes)), "u16");
    b.storeInt(at(to, place * panelRows, row, 4), last);
  });
}

/** Rows one after the other, as a mapped file is best read. */
function blocks(b: TileBuilder, type: BlockType, k: number, source: Int, panel: Int, rows: Int): void {
  const f = blockFormats[type];
  const layout = blockLayout(f);
  const from = b.int(source);
  b.for(0, rows, 1, (index) => {
    const block = b.int(panel);
    b.for(0, k / f.block, 1, () => {
      const to = b.add(block, b.shl(index, 2));
      const parts: BlockParts = {
        ...{ b, from, layout },
        word: (n, value) => b.storeInt(at(to, layout.word(n)), value),
        half(offset, place, negated = false) {
          const bits = b.loadInt(at(from, offset), "u16");
          b.storeInt(at(block, place, index, 2), negated ? b.xor(bits, 0x8000) : bits, "u16");
        },
        code: (value, place) => b.storeInt(at(block, place, index), value, "u8"),
      };
      packers[type](parts);
      b.add(from, f.storedBytes, from);
      b.add(block, layout.bytes, block);
    });
  });
}

/** One row's block: `from` is where it is stored, the rest write its place in the panel. */
interface BlockParts {
  readonly b: TileBuilder;
  readonly from: Int;
  word(n: number, value: Int): void;
  readonly layout: BlockLayout;
  /** The f16 at `offset` of the stored block to `place` of the panel's, its sign flipped where asked. */
  half(offset: number, place: number, negated?: boolean): void;
  /** A byte to `place`. */
  code(value: Int, place: number): void;
}

const packers: Readonly<Record<BlockType, (p: BlockParts) => void>> = {
  Q4_0: (p) => halved(p, 2, undefined),
  Q4_1: (p) => halved(p, 4, undefined),
  Q5_0: (p) => halved(p, 6, 2),
  Q5_1: (p) => halved(p, 8, 4),
  Q8_0(p) {
    p.half(0, p.layout.scale("scales", 0));
    // Signed codes become unsigned by flipping their signs.
    for (let n = 0; n < 8; n++) p.word(n, p.b.xor(p.b.loadInt(at(p.from, 2 + 4 * n)), 0x80808080 | 0));
  },
  Q4_K(p) {
    sixBitScales(p);
    for (let n = 0; n < 32; n++) p.word(n, p.b.loadInt(at(p.from, 16 + 4 * n)));
  },
  Q5_K(p) {
    sixBitScales(p);
    for (let n = 0; n < 32; n++)
      p.word(longFiveWord(n >> 4, n % 8, n % 16 < 8 ? 0 : 1), p.b.loadInt(at(p.from, 48 + 4 * n)));
    for (let place = 0; place < 8; place += 2) {
      const [even, odd] = [0, 4].map((next) => p.b.loadInt(at(p.from, 16 + 4 * place + next))) as [Int, Int];
      const [low, high] = [0x0f0f0f0f, 0xf0f0f0f0 | 0];
      const first = p.b.or(p.b.and(even, low), p.b.and(p.b.shl(odd, 4), high));
      const second = p.b.or(p.b.and(p.b.shr(even, 4), low), p.b.and(odd, high));
      p.word(longFiveWord(0, place, "fifths"), first);
      p.word(longFiveWord(1, place, "fifths"), second);
    }
  },
  Q6_K(p) {
    for (let n = 0; n < 32; n++) p.word(sixWord(n >> 4, n % 8, n % 16 < 8 ? 0 : 1), p.b.loadInt(at(p.from, 4 * n)));
    for (let n = 0; n < 16; n++) p.word(sixWord(n >> 3, n % 8, "upper"), p.b.loadInt(at(p.from, 128 + 4 * n)));
    for (let sub = 0; sub < 16; sub++) p.code(p.b.loadInt(at(p.from, 192 + sub), "u8"), p.layout.scale("scales", sub));
    p.half(208, p.layout.factor);
  },
};

/** Blocks of 32: an f16 scale, an f16 smallest value where there are minima, fifth bits at `fifths`, nibbles. */
function halved(p: BlockParts, nibbles: number, fifths: number | undefined): void {
  p.half(0, p.layout.scale("scales", 0));
  // The smallest value is added in the file; a minimum is taken off.
  if (nibbles === 4 || nibbles === 8) p.half(2, p.layout.scale("minima", 0), true);
  const first = fifths === undefined ? 0 : 1;
  if (fifths !== undefined) p.word(0, gatherFifths(p.b, p.b.loadInt(at(p.from, fifths))));
  for (let n = 0; n < 4; n++) p.word(first + n, p.b.loadInt(at(p.from, nibbles + 4 * n)));
}

/** Bit 4q + j to bit 8j + q: each byte gets the fifth bits of its own column of the quads. */
function gatherFifths(b: TileBuilder, bits: Int): Int {
  let all: Int | undefined;
  for (let j = 0; j < 4; j++) {
    let x = b.and(j === 0 ? bits : b.shr(bits, j), 0x11111111);
    x = b.and(b.or(x, b.shr(x, 3)), 0x03030303);
    x = b.and(b.or(x, b.shr(x, 6)), 0x000f000f);
    x = b.and(b.or(x, b.shr(x, 12)), 0xff);
    all = all === undefined ? x : b.or(all, b.shl(x, 8 * j));
  }
  return all!;
}

/**
 * f16 d and dmin, then 12 bytes: six bits each of eight scales and minima, the upper two of 4–7 in the bytes of 0–3. They go
 * where two neighbours' lie together (`sixOf`), so that a loop over a block's columns finds each pair alike.
 */
function sixBitScales(p: BlockParts): void {
  const { b } = p;
  p.half(0, p.layout.factor);
  p.half(2, p.layout.minimumFactor);
  const byte = (offset: number): Int => b.loadInt(at(p.from, 4 + offset), "u8");
  const upper = (x: Int): Int => b.and(b.shr(x, 2), 0x30);
  for (let j = 0; j < 8; j += 2) {
    const scale = (j: number): Int => (j < 4 ? b.and(byte(j), 63) : b.or(b.and(byte(4 + j), 15), upper(byte(j - 4))));
    const minimum = (j: number): Int => (j < 4 ? b.and(byte(4 + j), 63) : b.or(b.shr(byte(4 + j), 4), upper(byte(j))));
    const second = minimum(j + 1);
    const place = (byte: number): number => p.layout.six(j / 2, byte);
    p.code(b.or(scale(j), b.shl(b.and(second, 0x03), 6)), place(0));
    p.code(b.or(scale(j + 1), b.shl(b.and(second, 0x0c), 4)), place(1));
    p.code(b.or(minimum(j), b.shl(b.and(second, 0x30), 2)), place(2));
  }
}
