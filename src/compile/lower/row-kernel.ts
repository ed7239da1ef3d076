/**
 * One kernel for any number of operations on a row: a work item is a row, and what is between the operations never leaves its
 * thread.
 *
 *     row of memory ──► vectors in registers ──► (a row of scratch, where it is read twice) ──► … ──► row of memory
 *
 * Each operation does on the same numbers in the same order what it does alone, so results are the same bits however
 * operations are grouped.
 */
import { assert } from "../../core/errors.ts";
import { quantBlock, quantLayout } from "../layout.ts";
import type { Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { emitCacheStore } from "./cache-store.ts";
import { emitEmbed } from "./embed.ts";
import { emitNarrow, narrowBytes } from "./narrow.ts";
import { emitQuantize } from "./quantize.ts";
import { emitRope } from "./rope.ts";
import {
  isLazy,
  isLocal,
  needsHome,
  type Operand,
  type RowProgram,
  type RowStep,
  stepScratch,
  strideOf,
  widthOf,
} from "./row-work.ts";
import { emitHeadNorms, inverseRms, type Load, loadAt, rowOps, storeRow, vectorBytes } from "./rows.ts";

/** Scratch that a kernel over rows may use, and every device has. */
export const rowScratchMax = 1 << 18;

/** A row while its kernel is written. */
interface Row {
  /** Of its vectors. */
  readonly bytes: number;
  /** Where it lies or will. */
  readonly home?: Int;
  /** Computes a vector, inside a loop over all of `cover` bytes; none once the row lies in its home. */
  pending?: (cover: number) => Load;
}

/** Part of a row: `count` numbers from the one at `first` on. Only local operations can be done to it. */
export interface Columns {
  readonly first: Int;
  readonly count: number;
}

/** What the kernel around the steps gives. */
export interface RowPlace {
  readonly item: Int;
  readonly params: readonly Int[];
  /** For each step that is written, in order. */
  readonly outs: readonly Int[];
  /** Rows, or parts of rows, that products made. */
  readonly products: readonly Int[];
  /** Where the scratch of `rowScratch` begins. */
  readonly scratch: Int;
  readonly columns?: Columns;
}

/** Bytes of scratch that a program takes: rows between steps, then what the steps need. */
export function rowScratch(program: RowProgram, target: Target, columns?: Pick<Columns, "count">): number {
  return layout(program, target, columns).bytes;
}

function layout(
  program: RowProgram,
  target: Target,
  columns: Pick<Columns, "count"> | undefined,
): { readonly homes: readonly number[]; readonly own: readonly number[]; readonly bytes: number } {
  let bytes = 0;
  const take = (count: number): number => {
    bytes += count;
    return bytes - count;
  };
  const rowBytes = (step: RowStep): number => vectorBytes(columns?.count ?? widthOf(step.work));
  const homes = program.steps.map((step, i) => take(needsHome(program, i) ? rowBytes(step) : 0));
  const own = program.steps.map((step) => take(stepScratch(step, target)));
  return { homes, own, bytes };
}

export const rowNames = ({ steps }: RowProgram): string =>
  steps.map(({ work }) => (work.kind === "map" ? work.op : work.kind)).join("+");

/** Parameters as `RowProgram` says; an item is a row. */
export function lowerRows(target: Target, program: RowProgram): TileProgram {
  assert(rowScratch(program, target) <= rowScratchMax, () => `rows of ${rowNames(program)} need too much scratch`);
  const b = new TileBuilder(target);
  const params = Array.from({ length: program.params }, () => b.param());
  const outs = program.steps.flatMap((step) => (step.written ? [b.param()] : []));
  b.for(b.begin, b.end, 1, (item) => emitRow(b, program, { item, params, outs, products: [], scratch: b.scratch }));
  return b.finish(`${rowNames(program)}-${Math.max(...program.steps.map(({ work }) => widthOf(work)))}`);
}

/** The steps of one row, or of one part of it. */
export function emitRow(b: TileBuilder, program: RowProgram, place: RowPlace): void {
  const { columns } = place;
  assert(
    columns === undefined || program.steps.every(({ work }) => isLocal(work)),
    () => `${rowNames(program)} in parts`,
  );
  new RowEmitter(b, program, place).emit();
}

class RowEmitter {
  readonly #b: TileBuilder;
  readonly #program: RowProgram;
  readonly #place: RowPlace;
  readonly #rows: readonly Row[];
  readonly #own: readonly Int[];
  /** Of operands that are rows in memory: addresses are computed before any loop. */
  readonly #memory = new Map<Operand, Int>();

  constructor(b: TileBuilder, program: RowProgram, place: RowPlace) {
    this.#b = b;
    this.#program = program;
    this.#place = place;
    const { item, columns, scratch } = place;
    const { homes, own } = layout(program, b.target, columns);
    const inScratch = (offset: number): Int => (offset === 0 ? scratch : b.add(scratch, offset));
    let written = 0;
    this.#rows = program.steps.map((step, i) => {
      const bytes = vectorBytes(columns?.count ?? widthOf(step.work));
      if (step.written) return { bytes, home: this.#out(step, place.outs[written++]!) };
      return needsHome(program, i) ? { bytes, home: inScratch(homes[i]!) } : { bytes };
    });
    this.#own = program.steps.map((step, i) => (stepScratch(step, b.target) === 0 ? scratch : inScratch(own[i]!)));
    const start = columns && b.shl(columns.first, 2);
    for (const operand of program.steps.flatMap((s) => s.inputs)) {
      if (operand.from !== "rows") continue;
      const row = b.add(place.params[operand.param]!, b.mul(item, operand.stride));
      this.#memory.set(operand, start === undefined ? row : b.add(row, start));
    }
  }

  /** Where a step's result goes; codes and narrowed numbers take fewer bytes a column. */
  #out({ work }: RowStep, out: Int): Int {
    const b = this.#b;
    const { item, columns } = this.#place;
    const row = b.add(out, b.mul(item, strideOf(work, b.target)));
    if (columns === undefined) return row;
    const bytes = work.kind === "quantize" ? 1 : work.kind === "narrow" ? narrowBytes(b.target) : 4;
    return b.add(row, bytes === 1 ? columns.first : b.mul(columns.first, bytes));
  }

  emit(): void {
    for (const [i, step] of this.#program.steps.entries()) {
      const row = this.#rows[i]!;
      if (isLazy(step.work)) row.pending = this.#lazily(step, row);
      else this.#now(step, i, row);
    }
    for (const [i, { written }] of this.#program.steps.entries()) if (written) this.#stored(this.#rows[i]!);
  }

  #operand({ inputs }: RowStep, i: number): Row {
    const operand = inputs[i]!;
    if (operand.from === "step") return this.#rows[operand.step]!;
    if (operand.from === "product") return { bytes: 0, home: this.#place.products[operand.product]! };
    assert(operand.from === "rows", () => "an operand that all rows share is not a row");
    return { bytes: 0, home: this.#memory.get(operand)! };
  }

  #whole({ inputs }: RowStep, i: number): Int {
    const operand = inputs[i]!;
    assert(operand.from === "whole", () => "an operand should be one for all rows");
    return this.#place.params[operand.param]!;
  }

  /** The i32 of this row in a list of them. */
  #entry(step: RowStep, i: number): Int {
    return this.#b.loadInt(at(this.#whole(step, i), 0, this.#place.item, 4));
  }

  /** For a loop over `cover` bytes: reads the row, or computes it and keeps it where someone else will read it. */
  #load(row: Row, cover: number): Load {
    const b = this.#b;
    const { pending, home } = row;
    if (pending === undefined) return loadAt(b, home!);
    if (home === undefined) return pending(cover);
    if (cover !== row.bytes) return loadAt(b, this.#stored(row));
    const compute = pending(cover);
    delete row.pending;
    return (i, offset) => {
      const v = compute(i, offset);
      b.store(at(home, offset, i), v);
      return v;
    };
  }

  /** The address at which the row now lies. */
  #stored(row: Row): Int {
    const { pending, home } = row;
    assert(home !== undefined, () => "a row that must lie somewhere has no place");
    if (pending === undefined) return home;
    delete row.pending;
    storeRow(this.#b, pending(row.bytes), home, row.bytes);
    return home;
  }

  /** A step whose vectors can wait until they are asked for. */
  #lazily(step: RowStep, row: Row): (cover: number) => Load {
    const { work } = step;
    const b = this.#b;
    if (work.kind === "map") {
      return (cover) => {
        const [x, y] = step.inputs.map((_, i) => this.#load(this.#operand(step, i), cover));
        return (i, offset) => rowOps[work.op](b, x!(i, offset), () => y!(i, offset));
      };
    }
    if (work.kind === "gather") {
      const from = b.add(this.#whole(step, 0), b.mul(this.#entry(step, 1), work.stride));
      return () => loadAt(b, from);
    }
    assert(work.kind === "rmsNorm", () => `${work.kind} is not lazy`);
    const x = this.#operand(step, 0);
    const scale = inverseRms(b, this.#load(x, row.bytes), row.bytes, work.width, work.epsilon);
    const w = loadAt(b, this.#whole(step, 1));
    return (cover) => {
      const again = this.#load(x, cover);
      return (i, offset) => b.fmul(b.fmul(again(i, offset), scale), w(i, offset));
    };
  }

  #now(step: RowStep, index: number, { home, bytes }: Row): void {
    const { work } = step;
    const b = this.#b;
    const own = this.#own[index]!;
    const row = (i: number): Int => this.#stored(this.#operand(step, i));
    switch (work.kind) {
      case "rmsNorm":
        return emitHeadNorms(b, work, row(0), this.#whole(step, 1), home!);
      case "rope": {
        const angles = b.add(this.#whole(step, 2), b.mul(this.#entry(step, 1), 2 * work.width * 4));
        return emitRope(b, work, row(0), angles, home!, own);
      }
      case "concat": {
        const to = b.int(home!);
        for (const [i, width] of work.widths.entries()) {
          storeRow(b, this.#load(this.#operand(step, i), vectorBytes(width)), to, vectorBytes(width));
          b.add(to, vectorBytes(width), to);
        }
        return;
      }
      case "embed":
        return emitEmbed(b, work, this.#entry(step, 0), this.#whole(step, 1), home!);
      case "quantize":
        return this.#quantize(step, work.k, bytes / 4, home!, own);
      case "narrow":
        return emitNarrow(b, bytes, this.#load(this.#operand(step, 0), bytes), home!);
      case "cacheStore": {
        const [k, v] = [row(0), row(1)];
        const [slot, cacheK, cacheV] = [this.#entry(step, 2), this.#whole(step, 3), this.#whole(step, 4)];
        return emitCacheStore(b, work, k, v, slot, cacheK, cacheV, own);
      }
      default:
        assert(false, () => `${work.kind} should be lazy`);
    }
  }

  /** Blocks are read twice: from memory, or from the registers or the bit of scratch that they were computed into. */
  #quantize(step: RowStep, k: number, count: number, codes: Int, block: Int): void {
    const b = this.#b;
    const { lanes, dot4 } = b.target;
    const { columns } = this.#place;
    const quant = quantLayout(k, dot4);
    // A fact is 16 bytes for 32 codes.
    const behind = columns === undefined ? codes : b.sub(codes, b.shr(columns.first, 1));
    const facts = b.add(behind, quant.facts);
    const x = this.#operand(step, 0);
    const inMemory = x.pending === undefined;
    const load = this.#load(x, count * 4);
    emitQuantize(b, count, quant, { codes, facts }, (offset) => {
      if (inMemory) return (v) => load(offset, v * lanes * 4);
      const computed = Array.from({ length: quantBlock / lanes }, (_, v) => {
        const vector = load(offset, v * lanes * 4);
        if (lanes < 16) b.store(at(block, v * lanes * 4), vector);
        return vector;
      });
      return (v) => (lanes < 16 ? b.loadF(at(block, v * lanes * 4)) : computed[v]!);
    });
  }
}
