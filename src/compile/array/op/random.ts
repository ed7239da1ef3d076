/**
 * Numbers drawn by counting: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11). Sixteen
 * blocks side by side are 64 consecutive elements, the four words of the blocks one after the other.
 */
import type { F32, I32, Int, Target, TileProgram } from "../../tile.ts";
import { at, TileBuilder } from "../../tile-builder.ts";
import { cos, logarithm, sin } from "../functions.ts";

const multipliers = [0xd2511f53, 0xcd9e8d57] as const;
const weyl = [0x9e3779b9, 0xbb67ae85] as const;
const rounds = 10;
/** Elements that the words of 16 blocks make. */
const run = 64;
/** Runs of a work item. */
const itemRuns = 32;

/** The high words of x · m, unsigned, from products of halves. */
function high(b: TileBuilder, x: I32, m: number): I32 {
  const low16 = b.constI(0xffff);
  const [xl, xh] = [b.i32("and", x, low16), b.shift("shr", x, 16)];
  const [ml, mh] = [b.constI(m & 0xffff), b.constI(m >>> 16)];
  const cross = b.i32("add", b.i32("mul", xh, ml), b.shift("shr", b.i32("mul", xl, ml), 16));
  const middle = b.i32("add", b.i32("mul", xl, mh), b.i32("and", cross, low16));
  return b.i32("add", b.i32("mul", xh, mh), b.i32("add", b.shift("shr", cross, 16), b.shift("shr", middle, 16)));
}

/** The four words of the blocks whose counters are [counter, 0, stream, 0]; `keys` are 2 words a round. */
function philox(b: TileBuilder, counter: I32, stream: number, keys: Int): readonly [I32, I32, I32, I32] {
  const zero = b.constI(0);
  let [c0, c1, c2, c3]: [I32, I32, I32, I32] = [counter, zero, b.constI(stream | 0), zero];
  for (let round = 0; round < rounds; round++) {
    const key = (word: number): I32 => b.broadcastI(at(keys, 8 * round + 4 * word));
    const next0 = b.i32("xor", b.i32("xor", high(b, c2, multipliers[1]), c1), key(0));
    const next2 = b.i32("xor", b.i32("xor", high(b, c0, multipliers[0]), c3), key(1));
    const next1 = b.i32("mul", c2, b.constI(multipliers[1] | 0));
    const next3 = b.i32("mul", c0, b.constI(multipliers[0] | 0));
    [c0, c1, c2, c3] = [next0, next1, next2, next3];
  }
  return [c0, c1, c2, c3];
}

const unit = (b: TileBuilder, word: I32): F32 => b.fmul(b.toF32(b.shift("shr", word, 8)), b.constF(2 ** -24));

function normals(b: TileBuilder, x: I32, y: I32): readonly [F32, F32] {
  const positive = b.fmul(b.toF32(b.i32("add", b.shift("shr", x, 8), b.constI(1))), b.constF(2 ** -24));
  const radius = b.sqrt(b.fmul(b.constF(-2), logarithm(b, positive)));
  const angle = b.fmul(unit(b, y), b.constF(2 * Math.PI));
  return [b.fmul(radius, cos(b, angle)), b.fmul(radius, sin(b, angle))];
}

/** (key, numbers): an item is some runs. */
export function random(
  target: Target,
  fn: "uniform" | "normal",
  stream: number,
  size: number,
): { readonly program: TileProgram; readonly items: number } {
  const b = new TileBuilder(target);
  const { lanes } = target;
  const [key, out] = [b.param(), b.param()];
  // Scratch: numbers of 16 lanes, keys of the rounds, then the run that may not be written whole.
  const keys = b.add(b.scratch, 64);
  const last = b.add(b.scratch, 256);
  for (let l = 0; l < 16; l++) b.storeInt(at(b.scratch, 4 * l), b.int(l));
  for (const word of [0, 1] as const) {
    const k = b.loadInt(at(key, 4 * word));
    for (let round = 0; round < rounds; round++) {
      b.storeInt(at(keys, 8 * round + 4 * word), k);
      b.add(k, weyl[word] | 0, k);
    }
  }
  const runs = Math.ceil(size / run);
  const write = (index: Int, to: Int): void => {
    for (let p = 0; p < 16; p += lanes) {
      const counter = b.i32("add", b.splat(b.shl(index, 4)), b.loadI(at(b.scratch, 4 * p)));
      const words = philox(b, counter, stream, keys);
      if (fn === "uniform") for (const [w, word] of words.entries()) b.store(at(to, 64 * w + 4 * p), unit(b, word));
      else
        for (const w of [0, 2] as const) {
          const [even, odd] = normals(b, words[w], words[w + 1]!);
          b.store(at(to, 64 * w + 4 * p), even);
          b.store(at(to, 64 * w + 64 + 4 * p), odd);
        }
    }
  };
  const rest = size % run;
  b.for(b.begin, b.end, 1, (item) => {
    const from = b.mul(item, itemRuns);
    const whole = Math.floor(size / run);
    b.for(from, b.min(b.add(from, itemRuns), whole), 1, (index) => write(index, b.add(out, b.mul(index, run * 4))));
    if (rest === 0) return;
    b.if(item, "eq", Math.ceil(runs / itemRuns) - 1, () => {
      write(b.int(whole), last);
      const to = b.add(out, whole * run * 4);
      for (let i = 0; i < rest; i += lanes) {
        const place = at(to, 4 * i);
        if (rest - i >= lanes) b.store(place, b.loadI(at(last, 4 * i)));
        else b.storePart(place, b.loadPartI(at(last, 4 * i), rest - i), rest - i);
      }
    });
  });
  return { program: b.finish(`random-${fn}`), items: Math.max(1, Math.ceil(runs / itemRuns)) };
}
