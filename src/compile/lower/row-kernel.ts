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
import { quantBlock } from "../layout.ts";
import type { Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { emitCacheStore } from "./attention.ts";
import { emitEmbed } from "./embed.ts";
import { emitNarrow } from "./narrow.ts";
import { emitQuantize } from "./quantize.ts";
import { emitRope } from "./rope.ts";
import {
  isLazy,
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

/** Bytes of scratch that a program takes: rows between steps, then what the steps need. */
export function rowScratch(program: RowProgram, target: Target): number {
  return layout(program, target).bytes;
}

function layout(
  program: RowProgram,
  target: Target,
): { readonly homes: readonly number[]; readonly own: readonly number[]; readonly bytes: number } {
  let bytes = 0;
  const take = (count: number): number => {
    bytes += count;
    return bytes - count;
  };
  const homes = program.steps.map((s, i) => take(needsHome(program, i) ? vectorBytes(widthOf(s.work)) : 0));
  const own = program.steps.map((s) => take(stepScratch(s, target)));
  return { homes, own, bytes };
}

/** Parameters as `RowProgram` says; an item is a row. */
export function lowerRows(target: Target, program: RowProgram): TileProgram {
  const names = program.steps.map(({ work }) => (work.kind === "map" ? work.op : work.kind));
  assert(rowScratch(program, target) <= rowScratchMax, () => `rows of ${names} need too much scratch`);
  const b = new TileBuilder(target);
  const params = Array.from({ length: program.params }, () => b.param());
  const outs = program.steps.map((step) => (step.written ? b.param() : undefined));
  b.for(b.begin, b.end, 1, (item) => new RowEmitter(b, program, item, params, outs).emit());
  return b.finish(`${names.join("+")}-${Math.max(...program.steps.map(({ work }) => widthOf(work)))}`);
}

class RowEmitter {
  readonly #b: TileBuilder;
  readonly #program: RowProgram;
  readonly #item: Int;
  readonly #params: readonly Int[];
  readonly #rows: readonly Row[];
  readonly #own: readonly Int[];
  /** Of operands that are rows in memory: addresses are computed before any loop. */
  readonly #memory = new Map<Operand, Int>();

  constructor(
    b: TileBuilder,
    program: RowProgram,
    item: Int,
    params: readonly Int[],
    outs: readonly (Int | undefined)[],
  ) {
    this.#b = b;
    this.#program = program;
    this.#item = item;
    this.#params = params;
    const places = layout(program, b.target);
    this.#rows = program.steps.map(({ work }, i) => {
      const out = outs[i];
      const bytes = vectorBytes(widthOf(work));
      if (out !== undefined) return { bytes, home: b.add(out, b.mul(item, strideOf(work, b.target))) };
      return needsHome(program, i) ? { bytes, home: b.add(b.scratch, places.homes[i]!) } : { bytes };
    });
    this.#own = program.steps.map((step, i) =>
      stepScratch(step, b.target) === 0 ? b.scratch : b.add(b.scratch, places.own[i]!),
    );
    for (const operand of program.steps.flatMap((s) => s.inputs)) {
      if (operand.from === "rows") {
        this.#memory.set(operand, b.add(params[operand.param]!, b.mul(item, operand.stride)));
      }
    }
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
    assert(operand.from === "rows", () => "an operand that all rows share is not a row");
    return { bytes: 0, home: this.#memory.get(operand)! };
  }

  #whole({ inputs }: RowStep, i: number): Int {
    const operand = inputs[i]!;
    assert(operand.from === "whole", () => "an operand should be one for all rows");
    return this.#params[operand.param]!;
  }

  /** The i32 of this row in a list of them. */
  #entry(step: RowStep, i: number): Int {
    return this.#b.loadInt(at(this.#whole(step, i), 0, this.#item, 4));
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

  #now(step: RowStep, index: number, { home }: Row): void {
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
        return this.#quantize(step, work.k, home!, own);
      case "narrow":
        return emitNarrow(b, work.k, this.#load(this.#operand(step, 0), vectorBytes(work.k)), home!);
      case "cacheStore": {
        const [k, v] = [row(0), row(1)];
        return emitCacheStore(b, work, k, v, this.#entry(step, 2), this.#whole(step, 3), this.#whole(step, 4));
      }
      default:
        assert(false, () => `${work.kind} should be lazy`);
    }
  }

  /** Blocks are read twice: from memory, or from the registers or the bit of scratch that they were computed into. */
  #quantize(step: RowStep, k: number, q: Int, block: Int): void {
    const b = this.#b;
    const { lanes } = b.target;
    const x = this.#operand(step, 0);
    const inMemory = x.pending === undefined;
    const load = this.#load(x, k * 4);
    emitQuantize(b, k, q, (offset) => {
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
