/**
 * The tiles that a product may be computed with: knobs, each with its values, and which combinations are valid.
 *
 * A combination is invalid where it needs more registers than there are, where its code would not fit the caches, or where
 * it is another one in different words.
 */
import { panelRows } from "../block-format.ts";
import type { WeightFormat } from "../layout.ts";
import type { Target } from "../tile.ts";
import { defaultSchedule, type LinearTile, tileFor } from "./linear.ts";
import { innerSteps, PanelCounter, type PanelWork, type ProgramWork } from "./tile-work.ts";

/** A product [T, K] · [N, K]ᵀ for calls of these numbers of tokens. */
export interface LinearTask {
  readonly format: WeightFormat;
  readonly n: number;
  readonly k: number;
  readonly target: Target;
  readonly tokens: readonly number[];
}

export type KnobName = keyof LinearTile;

export interface Knob {
  readonly name: KnobName;
  readonly values: readonly LinearTile[KnobName][];
}

/** Where a panel has several vectors whose scales lie together, going through it block by block is another order. */
const inOrder = ({ format, target }: LinearTask): boolean => format.kind === "blocks" && target.lanes < 16;

/** Tiles of more instructions than this, of all heights that there are, would not stay in a core's caches of code. */
const instructionsMax = 8192;
/** Above this there would be too many heights to have a tile of each. */
const exactRowsMax = 8;

export class Space {
  readonly task: LinearTask;
  readonly knobs: readonly Knob[];
  readonly #counter: PanelCounter;
  readonly #features = new Map<string, readonly number[]>();

  /** Spaces of one format and K may share what was counted. */
  constructor(task: LinearTask, counter = new PanelCounter(task)) {
    this.task = task;
    this.#counter = counter;
    const { target, tokens, format } = task;
    const rowsMax = Math.min(16, Math.max(...tokens), target.registers - 2);
    const vectors = panelRows / target.lanes;
    this.knobs = [
      { name: "rows", values: Array.from({ length: rowsMax }, (_, i) => i + 1) },
      { name: "vectors", values: [1, 2, 4, 8].filter((v) => v <= vectors) },
      { name: "stage", values: format.kind === "blocks" ? [0, 1] : [0] },
      { name: "prefetch", values: [0, 1024, 2048, 4096, 8192, 16384] },
      { name: "nextPanel", values: format.kind === "blocks" ? [0, 1] : [0] },
      { name: "unroll", values: [1, 2, 4] },
      { name: "operand", values: ["register", "memory"] },
      { name: "order", values: ["tokens", "columns", ...(inOrder(task) ? (["blocks"] as const) : [])] },
      { name: "tail", values: ["halves", "exact", "even"] },
    ];
  }

  /** What is used without a tuner; no higher than there are tokens, which is the same. */
  get analytical(): LinearTile {
    const { target, format, tokens } = this.task;
    const tile = tileFor(defaultSchedule(target, format, this.task), Math.max(...tokens));
    return { ...tile, rows: Math.min(tile.rows, this.knob("rows").values.length) };
  }

  knob(name: KnobName): Knob {
    return this.knobs.find((k) => k.name === name)!;
  }

  valid(tile: LinearTile): boolean {
    if (!this.knobs.every(({ name, values }) => values.includes(tile[name]))) return false;
    const { target, tokens } = this.task;
    const vectors = panelRows / target.lanes;
    if (tile.order === "columns" && tile.vectors === vectors) return false;
    if (tile.order === "columns" && Math.max(...tokens) <= tile.rows) return false;
    if (tile.order === "blocks" && (tile.rows * tile.unroll > 1 || tile.stage + tile.nextPanel > 0)) return false;
    if (tile.tail !== "halves" && tile.rows > exactRowsMax) return false;
    if (tile.tail === "exact" && tile.rows < 3) return false;
    // What is fetched is then the next panel, at once.
    if (tile.nextPanel === 1 && tile.stage === 0 && tile.prefetch > 0) return false;
    if (tile.operand === "memory" && !this.#operandMatters()) return false;
    const steps = innerSteps(this.task, tile.stage);
    // A step over many columns is long as it is.
    if (tile.unroll > Math.min(steps, (128 * steps) / this.task.k) && tile.unroll > 1) return false;
    // Far beyond what registers hold there is no need to write the tile to see it.
    if (tile.rows * tile.vectors > target.registers || this.#counter.isTooHigh(tile)) return false;
    const { registers, instructions } = this.tileWork(tile);
    const heights = tile.tail === "halves" ? 2 : (tile.rows + 1) / 2;
    return registers <= target.registers && instructions * heights <= instructionsMax;
  }

  /** Without an instruction for the whole product, activations always come from memory. */
  #operandMatters(): boolean {
    const { format, target } = this.task;
    return format.kind === "f32" || (format.kind === "bf16" ? target.dotBf16 : target.dot4);
  }

  /** One whole tile. */
  tileWork(tile: LinearTile): ProgramWork {
    return this.#counter.tile(tile, tile.rows);
  }

  /** A panel for `tokens` tokens. */
  panelWork(tile: LinearTile, tokens: number): PanelWork {
    return this.#counter.panel(tile, tokens);
  }

  /** All valid combinations of these knobs; the others are as in `base`. */
  *tiles(names: readonly KnobName[], base: LinearTile): Generator<LinearTile> {
    const [name, ...others] = names;
    if (name === undefined) {
      if (this.valid(base)) yield base;
      return;
    }
    for (const value of this.knob(name).values) yield* this.tiles(others, { ...base, [name]: value });
  }

  /** What a cost model sees of a tile: counts per token, what memory is gone through, and the knobs themselves. */
  features(tile: LinearTile): readonly number[] {
    const key = tileKey(tile);
    const known = this.#features.get(key);
    if (known !== undefined) return known;
    const features = featuresOf(this, tile);
    this.#features.set(key, features);
    return features;
  }
}

export const tileKey = (t: LinearTile): string =>
  `${t.rows}×${t.vectors} stage ${t.stage} prefetch ${t.prefetch}${t.nextPanel === 1 ? " next" : ""} unroll ${t.unroll} ${t.operand} ${t.order} ${t.tail}`;

function featuresOf(space: Space, tile: LinearTile): readonly number[] {
  const { tokens } = space.task;
  const sums = { products: 0, vectors: 0, loads: 0, stores: 0, prefetches: 0, integers: 0, chain: 0, tiles: 0 };
  const add = (work: ProgramWork, times: number): void => {
    for (const { turns, counts, chain } of work.loops) {
      for (const [name, n] of Object.entries(counts)) sums[name as keyof typeof counts] += n * turns * times;
      sums.chain += chain * turns * times;
    }
    for (const [name, n] of Object.entries(work.once)) sums[name as keyof typeof work.once] += n * times;
  };
  let [read, unpacked] = [0, 0];
  for (const count of tokens) {
    const panel = space.panelWork(tile, count);
    for (const { times, work } of panel.tiles) {
      add(work, times);
      sums.tiles += times;
      read += (times * panel.sourceBytes) / panel.parts;
    }
    if (panel.unpacking === undefined) continue;
    add(panel.unpacking, 1);
    unpacked += panel.sourceBytes;
  }
  const total = tokens.reduce((n, t) => n + t, 0);
  const { registers, instructions } = space.tileWork(tile);
  const { sourceBytes, activationBytes, parts } = space.panelWork(tile, 1);
  const near = tile.order === "columns" ? sourceBytes / parts : sourceBytes;
  return [
    ...Object.values(sums).map((n) => n / total),
    ...[read / total, unpacked / total, near, tile.rows * activationBytes],
    ...[registers, instructions, tile.rows, tile.vectors, tile.stage, tile.prefetch, tile.nextPanel],
    ...[
      tile.unroll,
      Number(tile.operand === "memory"),
      Number(tile.order === "columns"),
      Number(tile.order === "blocks"),
    ],
    ...[Number(tile.tail === "exact"), Number(tile.tail === "even")],
  ];
}
