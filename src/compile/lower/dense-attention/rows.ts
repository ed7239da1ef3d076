/** Rows of scores to probabilities, and to the gradients of the scores. */
import type { F32, I32, Int } from "../../tile.ts";
import { at, type TileBuilder, vector } from "../../tile-builder.ts";
import type { Block } from "../dense-attention.ts";
import { exp } from "../math.ts";
import type { Scores } from "./product.ts";

/** A row's keys in vectors: those that are seen whole, then one of which a part may be, then unseen ones. */
interface Extent {
  readonly whole: Int;
  readonly all: Int;
  /** Of the vector behind the whole ones: lanes that are seen. */
  readonly mask: I32;
}

function extentOf(b: TileBuilder, s: Scores, block: Block, row: Int): Extent {
  const { lanes } = b.target;
  const seen = block.seenBy(row);
  const rest = b.rem(seen, lanes);
  const mask = b.compare("lt", b.loadI(at(b.scratch)), b.splat(rest));
  return { whole: b.shl(b.sub(seen, rest), 2), all: b.mul(block.panels, s.panel * 4), mask };
}

/** exp(scale × (score - the row's greatest)), zeros where nothing is seen; inverses of their sums to the head of scratch. */
export function rowsOfSoftmax(b: TileBuilder, s: Scores, scale: number, scores: Int, block: Block): void {
  const { lanes } = b.target;
  b.for(0, lanes, 1, (lane) => b.storeInt(at(b.scratch, 0, lane, 4), lane));
  const row = b.int(scores);
  b.for(0, block.count, 1, (index) => {
    const { whole, all, mask } = extentOf(b, s, block, index);
    const part = (write: (place: Int) => void): void => b.if(whole, "lt", all, () => write(b.add(row, whole)));
    const greatest = b.constF(-3e38);
    b.for(0, whole, lanes * 4, (i) => b.fmax(greatest, vector(at(row, 0, i)), greatest));
    part((place) => {
      const hidden = b.i32("and", b.i32("xor", mask, b.constI(-1)), b.bitsI(b.constF(-3e38)));
      const shown = b.i32("and", mask, b.bitsI(b.loadF(at(place))));
      b.fmax(greatest, b.bitsF(b.i32("or", shown, hidden)), greatest);
    });
    const most = b.reduce("max", greatest);
    const sum = b.constF(0);
    const power = (x: F32): F32 => exp(b, b.fmul(b.fsub(x, most), b.constF(scale)));
    b.for(0, whole, lanes * 4, (i) => {
      const e = power(b.loadF(at(row, 0, i)));
      b.store(at(row, 0, i), e);
      b.fadd(sum, e, sum);
    });
    part((place) => {
      const e = b.bitsF(b.i32("and", mask, b.bitsI(power(b.loadF(at(place))))));
      b.store(at(place), e);
      b.fadd(sum, e, sum);
    });
    const zero = b.constF(0);
    b.for(b.add(whole, lanes * 4), all, lanes * 4, (i) => b.store(at(row, 0, i), zero));
    const inverse = b.fdiv(b.constF(1), b.reduce("add", sum));
    b.storeLane(at(b.add(b.scratch, b.shl(index, 2)), s.inverses), inverse);
    b.add(row, s.rowBytes, row);
  });
}

/** Powers to probabilities p, and slopes g (gradients of p) to those of the scores: scale × p × (g - Σ p g). */
export function rowsOfGradient(
  b: TileBuilder,
  s: Scores,
  scale: number,
  powers: Int,
  slopes: Int,
  { count, panels }: Block,
): void {
  const { lanes } = b.target;
  const [p, g] = [b.int(powers), b.int(slopes)];
  const all = b.mul(panels, s.panel * 4);
  b.for(0, count, 1, (index) => {
    const inverse = b.broadcastF(at(b.add(b.scratch, b.shl(index, 2)), s.inverses));
    const sum = b.constF(0);
    b.for(0, all, lanes * 4, (i) => {
      const probability = b.fmul(b.loadF(at(p, 0, i)), inverse);
      b.store(at(p, 0, i), probability);
      b.fma(sum, probability, vector(at(g, 0, i)));
    });
    const mean = b.reduce("add", sum);
    const factor = b.constF(scale);
    b.for(0, all, lanes * 4, (i) => {
      const slope = b.fmul(b.fsub(b.loadF(at(g, 0, i)), mean), factor);
      b.store(at(g, 0, i), b.fmul(slope, vector(at(p, 0, i))));
    });
    b.add(p, s.rowBytes, p);
    b.add(g, s.rowBytes, g);
  });
}
