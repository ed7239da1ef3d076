/**
 * Products of two matrices that both arrive when they are called: C [M, N] = A [M, K] · B [K, N], either transposed in memory,
 * rows any stride apart, or a batch of them.
 *
 *     B ──► panels of some columns, one word of K after the other       (a call of its own: each panel once)
 *     A ──► rows where they lie, or copied item by item ──► tiles of sums in registers ──► C
 *
 * A word of K is an f32, a pair of bf16, or four bytes. An item's part of A stays in the second cache; where K is long, so does
 * a block of a panel, and sums wait in C between blocks. So each is one chain over K in order, the first of which is zero or
 * what C holds: the same bits whatever the plan, the tile or the thread.
 */
import { assert } from "../../core/errors.ts";
import type { Target, TileProgram } from "../tile.ts";
import type { Epilogue } from "./matmul/epilogue.ts";
import { packColumns, packScratch } from "./matmul/pack.ts";
import { partsOf } from "./matmul/parts.ts";
import { type MatmulPlan, matmulPlan, mustCopyA } from "./matmul/plan.ts";
import { itemsOf, product, productScratch } from "./matmul/product.ts";
import { checkShape, type MatmulShape } from "./matmul/shape.ts";
import { partBytes } from "./matmul/words.ts";

export type { Epilogue, EpilogueTile } from "./matmul/epilogue.ts";
export type { MatmulOperand, MatmulShape } from "./matmul/shape.ts";

/**
 * An operand of the product; `temporary` is memory between its calls. `rowScales` [M] and `columnScales` [N] are f32, those of a
 * batch one after the other. `epilogue` stands for as many parameters as it has.
 */
export type MatmulArgument = "a" | "b" | "c" | "temporary" | "rowScales" | "columnScales" | "epilogue";

export interface MatmulCall {
  readonly program: TileProgram;
  readonly items: number;
  readonly args: readonly MatmulArgument[];
}

export interface Matmul {
  /** Each waits for the one before. Where there are two, the first depends on B alone, and may be left out while B stays. */
  readonly calls: readonly MatmulCall[];
  /** What is in it before does not matter. */
  readonly temporaryBytes: number;
  /** Of each thread. */
  readonly scratchBytes: number;
}

export function lowerMatmul(
  target: Target,
  shape: MatmulShape,
  epilogue?: Epilogue,
  plan: MatmulPlan = matmulPlan(target, shape),
): Matmul {
  checkShape(shape);
  assert(plan.copyA || !mustCopyA(target, shape), () => `A cannot be read in place: ${JSON.stringify(shape)}`);
  const isFloat = shape.arithmetic !== "int8" || shape.scaled === true;
  assert(isFloat || epilogue === undefined, () => `an epilogue of integers: ${epilogue?.name}`);
  const parts = partsOf(target, shape, plan);
  const matrices = shape.b.batchStride ? (shape.batch ?? 1) : 1;
  const scales = shape.scaled ? (["rowScales", "columnScales"] as const) : [];
  const more = epilogue === undefined ? [] : (["epilogue"] as const);
  const packs = plan.packB === "item";
  assert(
    !packs || (plan.tilesPerItem >= parts.tiling.count && plan.depth >= parts.words.count),
    () => "items pack all",
  );
  const multiply: MatmulCall = {
    program: product(parts, epilogue),
    items: itemsOf(parts),
    args: ["a", packs ? "b" : "temporary", "c", ...scales, ...more],
  };
  if (packs) return { calls: [multiply], temporaryBytes: 0, scratchBytes: productScratch(parts) };
  const pack: MatmulCall = {
    program: packColumns(parts),
    items: matrices * parts.panels,
    args: ["b", "temporary"],
  };
  return {
    calls: [pack, multiply],
    temporaryBytes: matrices * parts.panels * parts.panelBytes,
    scratchBytes: Math.max(partBytes + packScratch(parts), productScratch(parts)),
  };
}
