/**
 * Words that are repeated in all lanes: where V8 (11.3) keeps their addresses, and four neighbouring ones as one load and four
 * shuffles.
 *
 * V8 adds an instruction's constant offset to the memory's base ahead of the loop for loads that repeat a word. A few such
 * bases stay in registers, and the loop has no additions for them; more are on the stack, and each word is a load and a reload.
 * Whole vectors have the offset in their address.
 */
import type { Address, Instruction } from "../tile.ts";

/** A word's place in a run of four that begins at `from`. All of a run share one object. */
export interface SharedWord {
  readonly run: { readonly from: Address };
  readonly lane: number;
}

/** The words of a list of instructions, not of its nested lists, whose whole run of four is read before it can change. */
export function sharedWords(body: readonly Instruction[]): ReadonlyMap<Address, SharedWord> {
  const shared = new Map<Address, SharedWord>();
  const open = new Map<string, Address[]>();
  const close = (which: (a: Address) => boolean): void => {
    for (const [key, places] of open) {
      if (!which(places[0]!)) continue;
      open.delete(key);
      // All four must be read anyway: a vector might reach beyond the memory.
      if (new Set(places.map(laneOf)).size < 4) continue;
      const run = { from: { ...places[0]!, offset: places[0]!.offset - 4 * laneOf(places[0]!) } };
      for (const place of places) shared.set(place, { run, lane: laneOf(place) });
    }
  };
  for (const x of body) {
    const place = repeated(x);
    if (place !== undefined && place.offset % 4 === 0) {
      const { base, index, scale, offset } = place;
      const key = `${base.id} ${index?.id} ${scale} ${Math.floor(offset / 16)}`;
      open.set(key, [...(open.get(key) ?? []), place]);
    }
    if (changesMemory.has(x.op)) close(() => true);
    else if ("dst" in x && x.dst.type === "int") {
      const { id } = x.dst;
      close(({ base, index }) => base.id === id || index?.id === id);
    }
  }
  close(() => true);
  return shared;
}

/** Nested lists may change anything. */
const changesMemory: ReadonlySet<Instruction["op"]> = new Set([
  "store",
  "storePart",
  "storeLane",
  "storeI8",
  "storeI16",
  "intStore",
  "for",
  "if",
] as const);

/** Offsets that V8 has registers for, beside those of a loop. */
const basesMost = 6;

/** Whether the words of a list of instructions that are loaded alone lie at so few offsets that those stay in the instructions. */
export function fewBases(body: readonly Instruction[], shared: ReadonlyMap<Address, SharedWord>): boolean {
  const offsets = new Set<number>();
  for (const at of body.map(repeated)) if (at !== undefined && !shared.has(at) && at.offset > 0) offsets.add(at.offset);
  return offsets.size <= basesMost;
}

const laneOf = ({ offset }: Address): number => (((offset / 4) % 4) + 4) % 4;

function repeated(x: Instruction): Address | undefined {
  if (x.op === "broadcast") return x.at;
  if (!("b" in x) || typeof x.b !== "object" || !("from" in x.b)) return undefined;
  return x.b.from === "broadcast" ? x.b.at : undefined;
}
