/**
 * The quantised formats of GGML as kernels see them: blocks whose rows are words of four codes, scales beside them.
 *
 * A weight is `scale × (code - zero)`, or `scale × code - minimum`. A *quad* is four consecutive columns of a row, one byte
 * each. Stored words hold quads packed: the low bits of one or two quads (nibbles), and the high bits of several. The
 * descriptions here are the file's own packing, so a row's block is copied word by word; only Q5_0 and Q5_1 have their
 * high bits moved, and Q4_K and Q5_K the bits of their scales. No format takes more bytes than in its file.
 */
export type BlockType = "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

/** Where the bits of a quad are: shift the word (left where positive), then mask each byte. */
export interface Bits {
  readonly word: number;
  readonly shift: number;
  readonly mask: number;
}

export interface BlockFormat {
  /** Columns that a stored block covers, and the bytes that it takes in a file. */
  readonly block: 32 | 256;
  readonly storedBytes: number;
  /** Columns that share a scale. */
  readonly subBlock: 16 | 32;
  /** The code that stands for 0; 0 where there are minima. */
  readonly zero: 0 | 8 | 16 | 32 | 128;
  readonly minima: boolean;
  /**
   * `half`: an f16 a sub-block; `codes`: an f16 a block times a byte a sub-block; `sixes`: an f16 a block times six bits, in
   * three bytes the scales and minima of two sub-blocks (`sixOf`); `float`: an f32 a sub-block.
   */
  readonly scale: "half" | "codes" | "sixes" | "float";
  /** Of `codes`: whether the byte is signed. */
  readonly signed: boolean;
  /** Bits of a code, wherever they are. */
  readonly codeBits: 4 | 5 | 6 | 8;
  /** Words of four bytes in a row's block. */
  readonly words: number;
  /** The parts of quad `q` of the block, to be joined by or. */
  bits(q: number): readonly Bits[];
}

const whole = (q: number): readonly Bits[] => [{ word: q, shift: 0, mask: -1 }];
const nibble = (word: number, high: boolean): Bits => ({ word, shift: high ? -4 : 0, mask: 0x0f0f0f0f });
/** Word q mod 4 of a block of 32: the low nibbles are its first half, the high ones its second. */
const halved = (q: number): Bits => nibble(q % 4, q >= 4);
/** Quads of 64 columns share eight words: low nibbles the first 32 columns, high ones the others. */
const paired = (q: number): Bits => nibble(Math.floor(q / 16) * 8 + (q % 8), q % 16 >= 8);
const fifth = (word: number, bit: number): Bits => ({ word, shift: 4 - bit, mask: 0x10101010 });

/** Within each 128 columns: words 0–7 and 8–15 hold the low nibbles of two runs of 32, and the high ones of the next two. */
function sixBits(q: number): readonly Bits[] {
  const [half, run, place] = [Math.floor(q / 32), Math.floor(q / 8) % 4, q % 8];
  const low = nibble(half * 16 + (run % 2) * 8 + place, run >= 2);
  return [low, { word: 32 + half * 8 + place, shift: 4 - 2 * run, mask: 0x30303030 }];
}

const simple = { block: 32, subBlock: 32, scale: "half", signed: false } as const;
const asymmetric = { ...simple, zero: 0, minima: true } as const;
const large = { block: 256, subBlock: 32, zero: 0, minima: true, scale: "sixes", signed: false } as const;

export const blockFormats: Readonly<Record<BlockType, BlockFormat>> = {
  Q4_0: { ...simple, storedBytes: 18, zero: 8, minima: false, codeBits: 4, words: 4, bits: (q) => [halved(q)] },
  Q4_1: { ...asymmetric, storedBytes: 20, codeBits: 4, words: 4, bits: (q) => [halved(q)] },
  // The fifth bits of a block are one word: byte j holds those of the quads' elements j, quad by quad.
  Q5_0: {
    ...simple,
    storedBytes: 22,
    zero: 16,
    minima: false,
    codeBits: 5,
    words: 5,
    bits: (q) => [halved(q), fifth(4, q)],
  },
  Q5_1: { ...asymmetric, storedBytes: 24, codeBits: 5, words: 5, bits: (q) => [halved(q), fifth(4, q)] },
  Q8_0: { ...simple, storedBytes: 34, zero: 128, minima: false, codeBits: 8, words: 8, bits: whole },
  Q4_K: { ...large, storedBytes: 144, codeBits: 4, words: 32, bits: (q) => [paired(q)] },
  Q5_K: {
    ...large,
    storedBytes: 176,
    codeBits: 5,
    words: 40,
    bits: (q) => [paired(q), fifth(32 + (q % 8), Math.floor(q / 8))],
  },
  Q6_K: {
    ...large,
    storedBytes: 210,
    subBlock: 16,
    zero: 32,
    minima: false,
    scale: "codes",
    signed: true,
    codeBits: 6,
    words: 48,
    bits: sixBits,
  },
};

/** What a panel becomes when it is unpacked for many tokens: whole bytes and f32 scales. */
export const unpacked = (f: BlockFormat): BlockFormat => ({
  ...f,
  block: 32,
  scale: "float",
  signed: false,
  words: 8,
  bits: whole,
});

/** Rows of a panel, which one work item of a linear kernel computes. */
export const panelRows = 32;

/** Offsets, in bytes, of the parts of a panel's block; each part holds `panelRows` entries for each of its steps. */
export interface BlockLayout {
  /** f16 a row: what the scales' (and minima's) codes are multiplied with; only of `codes` and `sixes`. */
  readonly factor: number;
  readonly minimumFactor: number;
  readonly scales: number;
  /** Of `sixes` the scales' place too. */
  readonly minima: number;
  readonly words: number;
  readonly bytes: number;
}

export const hasFactors = ({ scale }: BlockFormat): boolean => scale === "codes" || scale === "sixes";

/** Of an entry of the scales. */
export const scaleBytes = ({ scale }: BlockFormat): 1 | 2 | 4 => (scale === "half" ? 2 : scale === "float" ? 4 : 1);

/** Entries of the scales for `columns` columns. */
export const scaleEntries = (f: BlockFormat, columns: number): number =>
  f.scale === "sixes" ? (columns / f.subBlock / 2) * 3 : columns / f.subBlock;

/**
 * The code of sub-block `sub`, with operations on whatever holds the bytes. Of the three bytes of two sub-blocks the first holds
 * the first one's scale, then come the second one's, and the first one's minimum; the second one's minimum is the upper bits of
 * them all, the lowest two first.
 */
export function sixOf<T>(
  part: "scales" | "minima",
  sub: number,
  byte: (n: number) => T,
  { and, or, shr }: Readonly<Record<"or", (a: T, b: T) => T> & Record<"and" | "shr", (a: T, bits: number) => T>>,
): T {
  const second = sub % 2 === 1;
  if (part === "scales") return and(byte(second ? 1 : 0), 0x3f);
  if (!second) return and(byte(2), 0x3f);
  return or(shr(byte(0), 6), or(and(shr(byte(1), 4), 0x0c), and(shr(byte(2), 2), 0x30)));
}

export function blockLayout(f: BlockFormat): BlockLayout {
  const factorBytes = hasFactors(f) ? panelRows * 2 : 0;
  const scales = factorBytes * (f.minima ? 2 : 1);
  const each = scaleEntries(f, f.block) * panelRows * scaleBytes(f);
  const minima = f.scale === "sixes" ? scales : scales + each;
  const words = minima + (f.minima ? each : 0);
  return { factor: 0, minimumFactor: factorBytes, scales, minima, words, bytes: words + f.words * panelRows * 4 };
}

/**
 * The fewest quads, whole runs of 32 columns, after which a format repeats itself, and by how many words each part of its
 * bits is then further on.
 */
export function period(f: BlockFormat): { readonly quads: number; readonly advance: readonly number[] } {
  const all = Array.from({ length: f.block / 4 }, (_, q) => f.bits(q));
  for (let quads = 8; quads < all.length; quads *= 2) {
    const advance = all[quads]!.map(({ word }, i) => word - all[0]![i]!.word);
    const repeats = all.slice(quads).every((parts, q) =>
      parts.every(({ word, shift, mask }, i) => {
        const before = all[q]![i]!;
        return word - before.word === advance[i] && shift === before.shift && mask === before.mask;
      }),
    );
    if (repeats) return { quads, advance };
  }
  return { quads: all.length, advance: all[0]!.map(() => 0) };
}
