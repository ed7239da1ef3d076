/** Partials of partitions to one result, in the order of the positions: the same bits wherever the partials were computed. */
import type { Int } from "../../tile.ts";
import { at, type TileBuilder, vector } from "../../tile-builder.ts";
import { exp } from "../math.ts";
import { excluded, partial } from "./partition.ts";

/** What has been combined so far: sums of values at `out`, and for each row the largest score and the sum at `facts`. */
export interface Combined {
  readonly rows: number;
  readonly width: number;
  readonly out: Int;
  readonly facts: Int;
}

const fact = { largest: 0, sum: 64, bytes: 128 } as const;

/** Scratch for the facts of `rows` rows. */
export const factsBytes = (rows: number): number => rows * fact.bytes;

/** Nothing yet. */
export function emitEmpty(b: TileBuilder, { rows, width, out, facts }: Combined): void {
  const zero = b.constF(0);
  const lowest = b.constF(excluded);
  for (let r = 0; r < rows; r++) {
    b.storeLane(at(facts, r * fact.bytes + fact.largest), lowest);
    b.storeLane(at(facts, r * fact.bytes + fact.sum), zero);
  }
  b.for(0, rows * width * 4, b.target.lanes * 4, (i) => b.store(at(out, 0, i), b.constF(0)));
}

/** One more partition: whichever side has the lower scores is scaled down. */
export function emitCombine(b: TileBuilder, { rows, width, out, facts }: Combined, from: Int): void {
  for (let r = 0; r < rows; r++) {
    const [largestAt, sumAt] = [at(facts, r * fact.bytes + fact.largest), at(facts, r * fact.bytes + fact.sum)];
    const place = r * partial.bytes(width);
    const [before, added] = [b.broadcastF(largestAt), b.broadcastF(at(from, place + partial.largest(width)))];
    const largest = b.fmax(before, added);
    const old = exp(b, b.fsub(before, largest));
    const fresh = exp(b, b.fsub(added, largest));
    const sum = b.fmul(b.broadcastF(sumAt), old);
    b.fma(sum, fresh, b.broadcastF(at(from, place + partial.sum(width))));
    b.storeLane(largestAt, largest);
    b.storeLane(sumAt, sum);
    b.for(0, width * 4, b.target.lanes * 4, (i) => {
      const values = b.fmul(old, vector(at(out, r * width * 4, i)));
      b.fma(values, fresh, vector(at(from, place, i)));
      b.store(at(out, r * width * 4, i), values);
    });
  }
}

/** Divides by the sums. */
export function emitFinish(b: TileBuilder, { rows, width, out, facts }: Combined): void {
  for (let r = 0; r < rows; r++) {
    const inverse = b.fdiv(b.constF(1), b.broadcastF(at(facts, r * fact.bytes + fact.sum)));
    b.for(0, width * 4, b.target.lanes * 4, (i) => {
      const place = at(out, r * width * 4, i);
      b.store(place, b.fmul(inverse, vector(place)));
    });
  }
}
