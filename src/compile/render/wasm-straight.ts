/** What is known of a list of instructions while it is written: how V8 orders loads decides what is written between them. */
import type { Address, Instruction, Var } from "../tile.ts";
import { fewBases, type SharedWord, sharedWords } from "./wasm-broadcast.ts";

/**
 * V8 (11.3) moves all loads of straight code to its front, and arithmetic behind them, with most of what was loaded on the stack
 * in between. A store keeps its place among loads: so after as many loads, sums are stored, to where nobody looks.
 * All loads of a short body fit the registers.
 */
export const loadsMax = 5;
const longBody = 12;

export interface Straight {
  readonly long: boolean;
  readonly shared: ReadonlyMap<Address, SharedWord>;
  /** Loads that repeat a word have the offset of its address. */
  readonly offsets: boolean;
  readonly sums: Set<Var>;
  loads: number;
}

export function straight(body: readonly Instruction[]): Straight {
  const loads = body.filter((x) => {
    return x.op === "load" || x.op === "broadcast" || ("b" in x && typeof x.b === "object" && "from" in x.b);
  });
  const shared = sharedWords(body);
  const offsets = fewBases(body, shared);
  return { long: loads.length >= longBody, shared, offsets, sums: new Set(), loads: 0 };
}

export const addsUp = (x: Instruction): boolean =>
  x.op === "fma" || ((x.op === "i32Binary" || x.op === "f32Binary") && x.a.id === x.dst.id);
