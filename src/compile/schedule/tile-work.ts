/**
 * What a tile program does, counted from its instructions: by class, and how long the chain is that one turn of a loop must
 * wait for. Tuners learn from these counts, and the modelled machine prices them; neither runs anything.
 */
import { blockFormats, panelRows } from "../block-format.ts";
import { type WeightFormat, weightLayout } from "../layout.ts";
import { unpackPanel } from "../lower/linear/unpack.ts";
import { activationBytes, linearScratch, tileHeights, tileOf } from "../lower/linear.ts";
import { vectorsNeeded } from "../render/x64-registers.ts";
import { type Instruction, operands, type Target, type TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import type { LinearTile } from "./linear.ts";

export interface Counts {
  /** Fused multiplications and dots. */
  readonly products: number;
  /** Other operations on vectors. */
  readonly vectors: number;
  readonly loads: number;
  readonly stores: number;
  readonly prefetches: number;
  readonly integers: number;
}

/** How often a loop turns, what a turn does beside its inner loops, and cycles from one turn's result to the next's. */
export interface LoopWork {
  readonly turns: number;
  readonly counts: Counts;
  readonly chain: number;
}

export interface ProgramWork {
  readonly loops: readonly LoopWork[];
  /** Outside of loops. */
  readonly once: Counts;
  readonly registers: number;
  /** Instructions as written: a measure of the code's size. */
  readonly instructions: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const nothing: Counts = { products: 0, vectors: 0, loads: 0, stores: 0, prefetches: 0, integers: 0 };

function classOf(x: Instruction): keyof Counts {
  if (x.op === "fma" || x.op === "dot4" || x.op === "dotBf16") return "products";
  if (x.op === "load" || x.op === "loadPart" || x.op === "broadcast") return "loads";
  if (x.op.startsWith("store")) return "stores";
  if (x.op === "prefetch") return "prefetches";
  if (x.op === "int" || x.op === "intBinary" || x.op === "intLoad" || x.op === "intStore" || x.op === "for")
    return "integers";
  return x.op === "copy" && x.dst.type === "int" ? "integers" : "vectors";
}

function count(body: readonly Instruction[]): Counts {
  const counts: Mutable<Counts> = { ...nothing };
  for (const x of body) {
    counts[classOf(x)]++;
    if ("b" in x && typeof x.b === "object" && "from" in x.b) counts.loads++;
  }
  return counts;
}

/** Cycles until a result can be used; of a load from the nearest cache. */
const latencies: Readonly<Record<keyof Counts, number>> = {
  products: 4,
  vectors: 1,
  loads: 5,
  stores: 0,
  prefetches: 0,
  integers: 1,
};
const latency = (x: Instruction): number => (x.op === "f32Binary" || x.op === "toF32" ? 3 : latencies[classOf(x)]);

/** Were there units without end, a turn of the loop would follow the last one after this many cycles. */
function chainOf(body: readonly Instruction[], variables: number): number {
  const steps = body.flatMap((x) => {
    const reads: number[] = [];
    let into: number | undefined;
    operands(x, (v, written) => {
      if (written) into = v.id;
      else reads.push(v.id);
    });
    return into === undefined ? [] : [{ reads, into, cycles: latency(x) }];
  });
  const ready = new Float64Array(variables);
  let [last, before] = [0, 0];
  for (let turn = 0; turn < 3; turn++) {
    before = last;
    for (const { reads, into, cycles } of steps) {
      let from = 0;
      for (const id of reads) from = Math.max(from, ready[id]!);
      ready[into] = from + cycles;
      last = Math.max(last, from + cycles);
    }
  }
  return last - before;
}

export function programWork(program: TileProgram): ProgramWork {
  const loops: LoopWork[] = [];
  let instructions = 0;
  const walk = (body: readonly Instruction[], times: number): void => {
    instructions += body.length;
    for (const x of body) {
      if (x.op !== "for" || typeof x.from !== "number" || typeof x.to !== "number") continue;
      const turns = times * Math.ceil((x.to - x.from) / x.step);
      const inner = !x.body.some((each) => each.op === "for");
      loops.push({ turns, counts: count(x.body), chain: inner ? chainOf(x.body, program.variables) : 0 });
      walk(x.body, turns);
    }
  };
  walk(program.body, 1);
  return { loops, once: count(program.body), registers: vectorsNeeded(program), instructions };
}

/** One tile of `rows` tokens, with its sums stored. */
export function oneTile(target: Target, format: WeightFormat, k: number, tile: LinearTile, rows: number): TileProgram {
  const b = new TileBuilder(target);
  const [panel, x, out] = [b.param(), b.param(), b.param()];
  const columns = Array.from({ length: tile.vectors }, (_, v) => v * target.lanes * 4);
  const sums = tileOf(b, format, k, tile, panel)(panel, columns, x, rows);
  for (const [r, row] of sums.entries()) for (const [i, sum] of row.entries()) b.store(at(out, r * 4096 + i * 64), sum);
  return b.finish("tile");
}

function unpacking(target: Target, format: WeightFormat, k: number, prefetch: number): TileProgram {
  const b = new TileBuilder(target);
  const panel = b.param();
  if (format.kind === "blocks") unpackPanel(b, blockFormats[format.type], k, panel, b.scratch, prefetch);
  return b.finish("unpacking");
}

/** A panel for some number of tokens: its tiles by height, and what they read. */
export interface PanelWork {
  readonly tiles: readonly { readonly rows: number; readonly times: number; readonly work: ProgramWork }[];
  readonly unpacking: ProgramWork | undefined;
  /** Parts of the panel that are gone through one after the other. */
  readonly parts: number;
  /** As it comes from memory, and as tiles read it. */
  readonly panelBytes: number;
  readonly sourceBytes: number;
  /** Of one token. */
  readonly activationBytes: number;
}

export interface PanelShape {
  readonly target: Target;
  readonly format: WeightFormat;
  readonly k: number;
}

/** Counts panels of one shape, and each tile program once. */
export class PanelCounter {
  readonly #shape: PanelShape;
  readonly #tiles = new Map<string, ProgramWork>();
  /** The least rows that were too many for the registers. */
  readonly #heights = new Map<string, number>();

  constructor(shape: PanelShape) {
    this.#shape = shape;
  }

  /** Whether a tile of fewer tokens, but else the same, was seen to need too many registers. */
  isTooHigh(tile: LinearTile): boolean {
    const most = this.#heights.get(`${tile.vectors} ${tile.stage} ${tile.operand}`);
    return most !== undefined && tile.rows >= most;
  }

  tile(tile: LinearTile, rows: number): ProgramWork {
    const { target, format, k } = this.#shape;
    const fetches = tile.nextPanel === 1 ? "next" : tile.stage === 0 && tile.prefetch > 0 ? "ahead" : "nothing";
    const key = `${rows} ${tile.vectors} ${tile.stage} ${fetches} ${tile.unroll} ${tile.operand}`;
    const work = this.#once(key, () => oneTile(target, format, k, tile, rows));
    const group = `${tile.vectors} ${tile.stage} ${tile.operand}`;
    if (work.registers > target.registers) {
      this.#heights.set(group, Math.min(rows, this.#heights.get(group) ?? Number.POSITIVE_INFINITY));
    }
    return work;
  }

  panel(tile: LinearTile, tokens: number): PanelWork {
    const { target, format, k } = this.#shape;
    const parts = Math.ceil(panelRows / target.lanes / tile.vectors);
    const tiles = heightsFor(tile, tokens).map(({ rows, times }) => {
      return { rows, times: times * parts, work: this.tile(tile, rows) };
    });
    const { panelBytes } = weightLayout(format, panelRows, k);
    const staged = tile.stage === 1;
    return {
      tiles,
      unpacking: staged
        ? this.#once(`unpacking ${tile.prefetch > 0}`, () => unpacking(target, format, k, tile.prefetch))
        : undefined,
      parts,
      panelBytes,
      sourceBytes: staged ? linearScratch(format, k) : panelBytes,
      activationBytes: activationBytes(format, k, target),
    };
  }

  #once(key: string, make: () => TileProgram): ProgramWork {
    const known = this.#tiles.get(key);
    if (known !== undefined) return known;
    const work = programWork(make());
    this.#tiles.set(key, work);
    return work;
  }
}

/** How many tiles of each height make up `tokens`, as the kernel cuts them. */
export function heightsFor(tile: LinearTile, tokens: number): { readonly rows: number; readonly times: number }[] {
  const cut: { rows: number; times: number }[] = [];
  if (tile.tail === "even") {
    const count = Math.ceil(tokens / tile.rows);
    const [height, higher] = [Math.floor(tokens / count), tokens % count];
    if (higher > 0) cut.push({ rows: height + 1, times: higher });
    return [...cut, { rows: height, times: count - higher }];
  }
  let left = tokens;
  for (const rows of tileHeights(tile)) {
    const times = Math.floor(left / rows);
    left -= times * rows;
    if (times > 0) cut.push({ rows, times });
  }
  return cut;
}

/** Steps over k in a turn of a tile's inner loop where it is not unrolled. */
export function innerSteps({ format, k }: PanelShape, stage: 0 | 1): number {
  if (format.kind === "f32") return k;
  if (format.kind === "bf16") return Math.ceil(k / 2);
  return k / (stage === 1 ? 32 : blockFormats[format.type].block);
}
