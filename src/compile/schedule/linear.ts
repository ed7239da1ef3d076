/** How a matrix product is scheduled: what may be chosen without changing a bit of its result. */
import { type BlockType, blockFormats } from "../block-format.ts";
import type { WeightFormat } from "../layout.ts";
import type { Target } from "../tile.ts";

/** How a panel of 32 output rows is computed for all tokens of a call. */
export interface LinearTile {
  /** Tokens, and vectors of output rows, whose sums are held in registers together. */
  readonly rows: number;
  readonly vectors: number;
  /** 1: codes are unpacked to bytes first, once for all tokens; 0: tiles read the packed codes. Floats are always 0. */
  readonly stage: 0 | 1;
  /** Bytes ahead of the weights being read that are fetched into the cache; 0 leaves it to the hardware. */
  readonly prefetch: number;
  /** 1: tiles fetch the next panel while they multiply with this one. */
  readonly nextPanel: 0 | 1;
  /** Steps over k in one turn of the inner loop. */
  readonly unroll: number;
  /** Whether an activation is repeated into a register, or from memory by each product that uses it. */
  readonly operand: "register" | "memory";
  /**
   * What the outer of the two loops over tiles runs over: where `columns`, part of the panel stays near for all tokens.
   * `blocks`: tokens one by one, the loop over k outside that over vectors, and sums in memory; not of floats.
   */
  readonly order: "tokens" | "columns" | "blocks";
  /**
   * How tokens that no whole tile takes are computed: by tiles of halved heights, by one that has just their number,
   * or not at all: `even` makes all tiles of a call nearly equal.
   */
  readonly tail: "halves" | "exact" | "even";
}

/** A call of up to `until` tokens takes the first case that has room for it, a larger one `rest`. */
export interface LinearSchedule {
  readonly cases: readonly { readonly until: number; readonly tile: LinearTile }[];
  readonly rest: LinearTile;
}

/** What a schedule is found by, and what its kernel's name ends with. */
export const linearKey = (format: WeightFormat, n: number, k: number): string =>
  `${format.kind === "blocks" ? format.type : format.kind}-${n}x${k}`;

/** Of a key; undefined where it is none. */
export function parseLinearKey(
  key: string,
): { readonly format: WeightFormat; readonly n: number; readonly k: number } | undefined {
  const [, kind = "", n, k] = /^(\w+)-(\d+)x(\d+)$/.exec(key) ?? [];
  const size = { n: Number(n), k: Number(k) };
  if (kind === "f32" || kind === "bf16") return { format: { kind }, ...size };
  return Object.hasOwn(blockFormats, kind)
    ? { format: { kind: "blocks", type: kind as BlockType }, ...size }
    : undefined;
}

const plain = {
  stage: 0,
  prefetch: 0,
  nextPanel: 0,
  unroll: 1,
  operand: "register",
  order: "tokens",
  tail: "halves",
} as const satisfies Partial<LinearTile>;

/** The analytical choice: as many sums as registers hold, beside what a step of the inner loop needs. */
export function defaultSchedule(
  target: Target,
  format: WeightFormat,
  _shape: { readonly n: number; readonly k: number },
): LinearSchedule {
  const wide = target.lanes === 16;
  if (format.kind !== "blocks") return { cases: [], rest: { ...plain, rows: wide ? 12 : 4, vectors: 2 } };
  if (target.lanes === 8) {
    const few = { ...plain, rows: 2, vectors: 1, nextPanel: 1 } as const;
    const { block, codeBits } = blockFormats[format.type];
    // A line of memory is two vectors; those of a long block, with its scales, take too many registers. A plain stream is block after
    // block; else half of the panel's lines come first, with the next panel's on instructions.
    const stream = { ...plain, rows: 1, vectors: 2, order: "blocks" } as const;
    const near = { ...few, rows: 1, vectors: 2 } as const;
    const one = block === 32 ? [{ until: 1, tile: target.fetchInto === 1 ? near : stream }] : [];
    // The products of 8-bit codes take two registers each, and whole bytes need no unpacking.
    if (codeBits === 8) return { cases: one, rest: few };
    const many = { ...few, rows: 4, stage: 1, prefetch: 8192, tail: "even" } as const;
    return { cases: [...one, { until: 2, tile: few }], rest: many };
  }
  if (!wide) {
    const f = blockFormats[format.type];
    const few = { until: 2, tile: { ...plain, rows: 1, vectors: 2, order: "blocks" } as const };
    // The products of 8-bit codes take two registers each: V8 keeps those of one token in registers.
    if (f.codeBits === 8) return { cases: [few], rest: { ...plain, rows: 1, vectors: 2, stage: 1 } };
    return { cases: [few], rest: { ...plain, rows: 4, vectors: 1, stage: 1 } };
  }
  // Whole bytes need no unpacking.
  const many = { ...plain, rows: 5, vectors: 2, nextPanel: 1, operand: target.repeated, tail: "even" } as const;
  // Bound by memory, where the fewest instructions leave the processor most room to look ahead.
  const alone = { ...plain, rows: 1, vectors: 2, operand: "memory" } as const;
  if (blockFormats[format.type].words === 8) {
    const prefetch = target.fetchInto === 1 ? 4096 : 0;
    return { cases: [{ until: 1, tile: { ...alone, prefetch } }], rest: many };
  }
  const { block, subBlock } = blockFormats[format.type];
  // Some long blocks in one turn: the next one's scales are unpacked while this one's products are added up.
  const near = { prefetch: 8192, unroll: block === 32 ? 1 : subBlock === 16 ? 4 : 2 };
  // A block is read in the order in which it lies: a plain stream.
  const one = { until: 1, tile: { ...alone, ...(target.fetchInto === 1 && near) } };
  const few = { until: 16, tile: { ...many, rows: 4 } };
  return { cases: [one, few], rest: { ...many, stage: 1, prefetch: 8192 } };
}

/** The tile that a call of `tokens` takes. */
export function tileFor(schedule: LinearSchedule, tokens: number): LinearTile {
  return schedule.cases.find(({ until }) => tokens <= until)?.tile ?? schedule.rest;
}

/** What was written down once, if it is still a tile: of a record on disk nothing is taken on trust. */
export function parseTile(value: unknown): LinearTile | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { rows, vectors, stage, prefetch, nextPanel, unroll, operand, order, tail } = value as Record<string, unknown>;
  const whole = (x: unknown, from: number, to: number): x is number =>
    typeof x === "number" && Number.isInteger(x) && x >= from && x <= to;
  if (!whole(rows, 1, 16) || !whole(vectors, 1, 8) || !whole(unroll, 1, 4)) return undefined;
  if (!whole(prefetch, 0, 1 << 14) || prefetch % 64 !== 0) return undefined;
  if (stage !== 0 && stage !== 1) return undefined;
  if (nextPanel !== 0 && nextPanel !== 1) return undefined;
  if (operand !== "register" && operand !== "memory") return undefined;
  if (order !== "tokens" && order !== "columns" && order !== "blocks") return undefined;
  if (tail !== "halves" && tail !== "exact" && tail !== "even") return undefined;
  return { rows, vectors, stage, prefetch, nextPanel, unroll, operand, order, tail };
}
