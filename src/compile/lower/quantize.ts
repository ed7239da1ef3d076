/**
 * Activations to int8: each block of 32 gets the scale max|x| / 127 and codes rounded to nearest even, so rows are quantised
 * alone, whatever shares their batch. The facts that linear kernels need of a block are stored beside it.
 */
import { fact, type QuantLayout, quantBlock, quantLayout, rowFloats } from "../layout.ts";
import type { I32, Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { abs, reduce16 } from "./math.ts";

/** Parameters x, q; an item is a row of `k`, a multiple of 32, and rows of x are `xBytes` apart. */
export function lowerQuantize(target: Target, k: number, xBytes = rowFloats(k) * 4): TileProgram {
  const b = new TileBuilder(target);
  const [x, q] = [b.param(), b.param()];
  const layout = quantLayout(k, target.dot4);
  b.for(b.begin, b.end, 1, (row) => {
    const from = b.add(x, b.mul(row, xBytes));
    const to = b.add(q, b.mul(row, layout.rowBytes));
    const facts = b.int(b.add(to, layout.facts));
    const cursor = b.int(to);
    b.for(0, k * 4, quantBlock * 4, (offset) => {
      block(b, b.add(from, offset), cursor, facts, layout);
      b.add(cursor, quantBlock, cursor);
      b.add(facts, fact.stride, facts);
    });
  });
  return b.finish(`quantize-${k}`);
}

function block(b: TileBuilder, from: Int, codes: Int, facts: Int, layout: QuantLayout): void {
  const { lanes, dot4 } = b.target;
  const vectors = quantBlock / lanes;
  const load = (v: number) => b.loadF(at(from, v * lanes * 4));
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
