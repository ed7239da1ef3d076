/**
 * Where a walk over a panel's blocks stands: registers that point at each part of a block for some of the panel's rows.
 *
 * On narrow targets one piece of code serves all vectors of a panel, and all turns of a block that repeats itself, so that
 * a function stays small: a register then points at the vector's own place, which is a row times 4, 2 or 1 bytes further
 * on for words, halves and bytes.
 */
import { type BlockFormat, blockLayout, hasFactors, panelRows, scaleBytes, turnColumns } from "../../block-format.ts";
import type { Address, Int } from "../../tile.ts";
import { at, type TileBuilder } from "../../tile-builder.ts";

export interface BlockCursor {
  /** Quads of a turn, and turns of a block: words, quads and sub-blocks are counted within a turn. */
  readonly quads: number;
  readonly turns: number;
  /** Word `word`, for the rows whose words begin `column` bytes after the cursor's. */
  word(word: number, column: number): Address;
  scale(part: "scales" | "minima", sub: number, column: number): Address;
  /** One of the three bytes of two sub-blocks, of `sixes`. */
  six(pair: number, byte: number, column: number): Address;
  factor(part: "factor" | "minimumFactor", column: number): Address;
  /** Goes on by a turn, and after a block's last by what is left of it. */
  nextTurn(): void;
  nextBlock(): void;
}

/** A cursor at the block at `block`, for rows whose words begin `column` bytes on; none where offsets say all. */
export function blockCursor(b: TileBuilder, f: BlockFormat, block: Int, column: Int | undefined): BlockCursor {
  const layout = blockLayout(f);
  const columns = b.target.lanes === 16 ? f.block : turnColumns(f);
  const turns = f.block / columns;
  const step = turns === 1 ? 0 : layout.turnBytes;
  const known = new Map<string, { readonly v: Int; readonly step: number }>();
  /** The register for entries of `4 >> narrower` bytes that are `step` bytes further on after a turn. */
  const register = (narrower: number, step: number): Int => {
    const key = column === undefined ? `${step}` : `${narrower} ${step}`;
    const found = known.get(key);
    if (found !== undefined) return found.v;
    const moved = column === undefined || narrower === 0 ? column : b.shr(column, narrower);
    const v = b.int(moved === undefined ? block : b.add(block, moved));
    known.set(key, { v, step });
    return v;
  };
  const entry = scaleBytes(f);
  const words = register(0, step);
  const scales = register(2 - Math.log2(entry), step);
  const factors = hasFactors(f) ? register(1, 0) : block;
  const move = (bytes: (step: number) => number): void => {
    for (const { v, step } of known.values()) if (bytes(step) !== 0) b.add(v, bytes(step), v);
  };
  return {
    quads: columns / 4,
    turns,
    word: (word, offset) => at(words, layout.word(word) + offset),
    scale: (part, sub, offset) => at(scales, layout.scale(part, sub) + (offset / 4) * entry),
    six: (pair, byte, offset) => at(scales, layout.six(pair, byte) + offset / 4),
    factor: (part, offset) => at(factors, layout[part] + offset / 2),
    nextTurn: () => move((step) => step),
    nextBlock: () => move((step) => layout.bytes - step * turns),
  };
}

/** Calls `write` for all turns of a block, and takes the cursor to the next block. */
export function eachTurn(b: TileBuilder, cursor: BlockCursor, write: () => void): void {
  if (cursor.turns === 1) write();
  else {
    b.for(0, cursor.turns, 1, () => {
      write();
      cursor.nextTurn();
    });
  }
  cursor.nextBlock();
}

/**
 * Calls `write` for each `together` vectors of a panel: with their byte offsets, and with where in the panel they begin
 * where that is known only when the kernel runs, as on narrow targets.
 */
export function eachPart(
  b: TileBuilder,
  together: number,
  write: (columns: readonly number[], column: Int | undefined) => void,
): void {
  const bytes = b.target.lanes * 4;
  const all = Array.from({ length: panelRows / b.target.lanes }, (_, v) => v * bytes);
  if (b.target.lanes < 16 && all.length % together === 0 && together < all.length) {
    b.for(0, panelRows * 4, together * bytes, (column) => write(all.slice(0, together), column));
  } else for (let v = 0; v < all.length; v += together) write(all.slice(v, v + together), undefined);
}
