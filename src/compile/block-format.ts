/**
 * The quantised formats of GGML as kernels see them: blocks whose rows are words of four codes, scales beside them.
 *
 * A weight is `scale × (code - zero)`, or `scale × code - minimum`. A *quad* is four consecutive columns of a row, one byte
 * each. Stored words hold quads packed: the low bits of one or two quads (nibbles), and the high bits of several. The
 * words are the file's own but for the fifth bits of Q5_0, Q5_1 and Q5_K, and no format takes more bytes than in its file.
 *
 * A block's words and scales lie in the order in which a token alone is multiplied with them: words that make up the same quads
 * together, and each run's scales behind its words. So a matrix is read as one stream, which the hardware fetches ahead by itself:
 * on a core of AMD's family 25 a jump over nine lines costs half of the memory's rate.
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
/** Word q mod 4 from `first` on, of a block of 32: the low nibbles are its first half, the high ones its second. */
const halved = (q: number, first = 0): Bits => nibble(first + (q % 4), q >= 4);
/** Quads of 64 columns share eight words: low nibbles the first 32 columns, high ones the others. */
const paired = (q: number): Bits => nibble(Math.floor(q / 16) * 8 + (q % 8), q % 16 >= 8);
const fifth = (word: number, bit: number): Bits => ({ word, shift: 4 - bit, mask: 0x10101010 });
/** Of Q5_0 and Q5_1: a block's fifth bits are its first word, whose byte j holds those of the quads' elements j, quad by quad. */
const fiveBits = (q: number): readonly Bits[] => [fifth(0, q), halved(q, 1)];

/**
 * Of Q5_K, for each half of a block: the fifth bits of places 2 n and 2 n + 1, of each four runs of 32 columns, and then the nibbles of
 * these two places, of the first two runs and of the others.
 */
export const longFiveWord = (half: number, place: number, part: "fifths" | 0 | 1): number =>
  half * 20 + (place >> 1) * 5 + (part === "fifths" ? 0 : 1 + (place % 2) * 2 + part);

function longFiveBits(q: number): readonly Bits[] {
  const [half, run, place] = inHalf(q);
  const word = longFiveWord(half, place, run < 2 ? 0 : 1);
  return [fifth(longFiveWord(half, place, "fifths"), (place % 2) * 4 + run), nibble(word, run % 2 === 1)];
}

/**
 * Of Q6_K, for each half of a block, place by place: a word of the first run's low nibbles, whose high ones are the third's; the upper
 * two bits of all four runs; the nibbles of the second and the fourth.
 */
export const sixWord = (half: number, place: number, part: 0 | "upper" | 1): number =>
  half * 24 + place * 3 + (part === "upper" ? 1 : 2 * part);

function sixBits(q: number): readonly Bits[] {
  const [half, run, place] = inHalf(q);
  const low = nibble(sixWord(half, place, run % 2 === 0 ? 0 : 1), run >= 2);
  return [low, { word: sixWord(half, place, "upper"), shift: 4 - 2 * run, mask: 0x30303030 }];
}

/** Which 128 columns a quad is in, which 32 of them, and its place there. */
const inHalf = (q: number): readonly [half: number, run: number, place: number] => [
  Math.floor(q / 32),
  Math.floor(q / 8) % 4,
  q % 8,
];

const simple = { block: 32, subBlock: 32, scale: "half", signed: false } as const;
const asymmetric = { ...simple, zero: 0, minima: true } as const;
const large = { block: 256, subBlock: 32, zero: 0, minima: true, scale: "sixes", signed: false } as const;

export const blockFormats: Readonly<Record<BlockType, BlockFormat>> = {
  Q4_0: { ...simple, storedBytes: 18, zero: 8, minima: false, codeBits: 4, words: 4, bits: (q) => [halved(q)] },
  Q4_1: { ...asymmetric, storedBytes: 20, codeBits: 4, words: 4, bits: (q) => [halved(q)] },
  Q5_0: { ...simple, storedBytes: 22, zero: 16, minima: false, codeBits: 5, words: 5, bits: fiveBits },
  Q5_1: { ...asymmetric, storedBytes: 24, codeBits: 5, words: 5, bits: fiveBits },
  Q8_0: { ...simple, storedBytes: 34, zero: 128, minima: false, codeBits: 8, words: 8, bits: whole },
  Q4_K: { ...large, storedBytes: 144, codeBits: 4, words: 32, bits: (q) => [paired(q)] },
  Q5_K: { ...large, storedBytes: 176, codeBits: 5, words: 40, bits: longFiveBits },
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

/**
 * Where the parts of a panel's block are for its first row, in bytes: the factors, then what `turnColumns` columns have, the words and
 * behind them the scales, as often as the block has so many. The next row's entry follows each.
 */
export interface BlockLayout {
  /** f16: what the scales' (and minima's) codes are multiplied with; only of `codes` and `sixes`. */
  readonly factor: number;
  readonly minimumFactor: number;
  word(word: number): number;
  /** Not of `sixes`. */
  scale(part: "scales" | "minima", sub: number): number;
  /** One of the three bytes of two sub-blocks. */
  six(pair: number, byte: number): number;
  /** From what some columns have to what the next ones have. */
  readonly turnBytes: number;
  readonly bytes: number;
}

/** Columns after which a format repeats itself, a whole number of times in a block. */
export const turnColumns = ({ block }: BlockFormat): number => Math.min(block, 128);

export const hasFactors = ({ scale }: BlockFormat): boolean => scale === "codes" || scale === "sixes";

/** Of an entry of the scales. */
export const scaleBytes = ({ scale }: BlockFormat): 1 | 2 | 4 => (scale === "half" ? 2 : scale === "float" ? 4 : 1);

/**
 * The code of sub-block `sub`, with operations on whatever holds the bytes. Of the three bytes of two sub-blocks the first holds
 * the first one's scale, then come the second one's, and the first one's minimum; the second one's minimum is the upper bits of
 * them all, the lowest two first.
 */
export function sixOf<T>(
  part: "scales" | "minima",
  sub: number,
  byte: (n: number) => T,
  { and, orAnd, shr }: SixOperations<T>,
): T {
  const second = sub % 2 === 1;
  if (part === "scales") return and(byte(second ? 1 : 0), 0x3f);
  if (!second) return and(byte(2), 0x3f);
  return orAnd(orAnd(shr(byte(0), 6), shr(byte(1), 4), 0x0c), shr(byte(2), 2), 0x30);
}

interface SixOperations<T> extends Readonly<Record<"and" | "shr", (a: T, bits: number) => T>> {
  /** a | (b & bits) */
  orAnd(a: T, b: T, bits: number): T;
}

export function blockLayout(f: BlockFormat): BlockLayout {
  const turns = f.block / turnColumns(f);
  const factorBytes = hasFactors(f) ? panelRows * 2 : 0;
  const start = factorBytes * (f.minima ? 2 : 1);
  const words = f.words / turns;
  const subs = turnColumns(f) / f.subBlock;
  const wordBytes = words * panelRows * 4;
  const entryBytes = panelRows * scaleBytes(f);
  const minima = f.minima && f.scale !== "sixes" ? subs : 0;
  const turnBytes = wordBytes + (f.scale === "sixes" ? (subs / 2) * 3 : subs + minima) * entryBytes;
  const turn = (n: number, all: number): number => start + Math.floor(n / all) * turnBytes;
  return {
    factor: 0,
    minimumFactor: factorBytes,
    word: (n) => turn(n, words) + (n % words) * panelRows * 4,
    scale: (part, sub) => turn(sub, subs) + wordBytes + ((sub % subs) + (part === "minima" ? subs : 0)) * entryBytes,
    six: (pair, byte) => turn(pair, subs / 2) + wordBytes + ((pair % (subs / 2)) * 3 + byte) * entryBytes,
    turnBytes,
    bytes: start + turns * turnBytes,
  };
}
