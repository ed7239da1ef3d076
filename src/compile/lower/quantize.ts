/**
 * Activations to int8: each block of 32 gets the scale max|x| / 127 and codes rounded to nearest even, so rows are quantised
 * alone, whatever shares their batch. The facts that linear kernels need of a block are stored beside it.
 */
import { fact, type QuantLayout, quantBlock } from "../layout.ts";
import type { F32, I32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { abs, reduce16 } from "./math.ts";

/**
 * `count` numbers of a row, a multiple of 32, to `codes` and `facts`, places in what `layout` says of the row. `block` gives
 * the vectors of the 32 at a byte; each is asked for twice.
 */
export function emitQuantize(
  b: TileBuilder,
  count: number,
  layout: QuantLayout,
  places: { readonly codes: Int; readonly facts: Int },
  block: (offset: Int) => (vector: number) => F32,
): void {
  const [codes, facts] = [b.int(places.codes), b.int(places.facts)];
  b.for(0, count * 4, quantBlock * 4, (offset) => {
    emitBlock(b, block(offset), codes, facts, layout);
    b.add(codes, quantBlock, codes);
    b.add(facts, fact.stride, facts);
  });
}

function emitBlock(b: TileBuilder, load: (vector: number) => F32, codes: Int, facts: Int, layout: QuantLayout): void {
  const { lanes, dot4 } = b.target;
  const vectors = quantBlock / lanes;
  // Two halves of 16 fold lane by lane first; the maximum does not depend on the order.
  const largest = Array.from({ length: vectors }, (_, v) => abs(b, load(v))).reduce((m, v) => b.fmax(m, v));
  const max = b.reduce("max", largest);
  const inverse = b.fdiv(b.constF(127), b.fmax(max, b.constF(1e-30)));
  const scale = b.fmul(max, b.constF(1 / 127));
  b.storeLane(at(facts, fact.scale), scale);
  const sums: I32[] = [];
  for (let half = 0; half < 2; half++) {
    const parts: I32[] = [];
    for (let v = 0; v < vectors / 2; v++) {
      const index = (half * vectors) / 2 + v;
      const code = b.toI32(b.fmul(load(index), inverse));
      b.storeI8(at(codes, index * lanes), code);
      if (!dot4) {
        const high = b.shift("sar", b.i32("add", code, b.constI(8)), 4);
        b.storeI8(at(codes, layout.high + index * lanes), high);
        b.storeI8(at(codes, layout.low + index * lanes), b.i32("sub", code, b.shift("shl", high, 4)));
      }
      parts.push(code);
    }
    sums.push(reduce16(b, "add", parts));
  }
  const total = b.i32("add", sums[0]!, sums[1]!);
  b.storeLane(at(facts, fact.negative), b.i32("sub", b.constI(0), total));
  b.storeLane(at(facts, fact.negativeLow), b.i32("sub", b.constI(0), sums[0]!));
  b.storeLane(at(facts, fact.sum), b.fmul(b.toF32(total), scale));
}
