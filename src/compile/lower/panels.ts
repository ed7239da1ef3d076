/**
 * Products and what follows column by column, in one kernel: a work item is a panel of 32 columns for all tokens.
 *
 *     panel of each product ──► scratch, [tokens][32] ──► activations, sums, quantisation of those columns ──► memory
 *
 * A block of 32 is quantised where it is made, so what lies between two products need never be a whole row.
 */
import { panelRows } from "../block-format.ts";
import { type WeightFormat, weightLayout } from "../layout.ts";
import type { LinearSchedule } from "../schedule/linear.ts";
import type { Int, Target, TileProgram } from "../tile.ts";
import { TileBuilder } from "../tile-builder.ts";
import { activationBytes, type LinearShape, linearScratch, lowerItem } from "./linear.ts";
import { emitRow, type RowPlace, rowNames, rowScratch } from "./row-kernel.ts";
import type { RowProgram } from "./row-work.ts";

export interface PanelProduct {
  readonly format: WeightFormat;
  readonly shape: LinearShape;
  readonly schedule: LinearSchedule;
}

/** Products have the same N, and `rows` reads them by their place. */
export interface PanelProgram {
  readonly products: readonly PanelProduct[];
  readonly rows: RowProgram;
}

/** Of a row of a panel. */
export const panelBytes = panelRows * 4;

/** Scratch that panels of a group take beside what each product unpacks into. */
export const panelScratch = (products: number, tokensMax: number): number => products * tokensMax * panelBytes;

/** Addresses of a product's weights, activations and bias. */
export interface ProductOperands {
  readonly w: Int;
  readonly x: Int;
  readonly bias: Int | undefined;
}

export function productParams(b: TileBuilder, { shape }: PanelProduct): ProductOperands {
  const [w, x] = [b.param(), b.param()];
  return { w, x, bias: shape.bias ? b.param() : undefined };
}

/** Scratch that any of the products unpacks into, from the beginning of a thread's on. */
export const unpackBytes = (products: readonly PanelProduct[]): number =>
  Math.max(...products.map(({ format, shape }) => linearScratch(format, shape.k)));

/** One panel of a product for `tokens`, its sums to `out`: rows `outBytes` apart, of which the panel begins at `column`. */
export function emitPanel(
  b: TileBuilder,
  { format, shape, schedule }: PanelProduct,
  { w, x, bias }: ProductOperands,
  panel: Int,
  tokens: Int,
  to: { readonly out: Int; readonly outBytes: number },
): void {
  const at = b.add(w, b.mul(panel, weightLayout(format, shape.n, shape.k).panelBytes));
  lowerItem(b, format, shape.k, schedule, at, tokens, {
    from: (token) => b.add(x, b.mul(token, activationBytes(format, shape.k, b.target))),
    to: (token) => b.add(to.out, b.mul(token, to.outBytes)),
    rowBytes: to.outBytes,
    bias: bias && b.add(bias, b.shl(panel, 7)),
  });
}

/** Where a group's panels lie while what follows is done to them, and what it reads and writes. */
export interface PanelPlace extends Pick<RowPlace, "params" | "outs" | "scratch"> {
  readonly operands: readonly ProductOperands[];
  readonly made: readonly Int[];
}

/** A panel of every product for `tokens`, and what follows. */
export function emitPanels(
  b: TileBuilder,
  { products, rows }: PanelProgram,
  { operands, made, ...place }: PanelPlace,
  panel: Int,
  tokens: Int,
): void {
  for (const [i, product] of products.entries()) {
    emitPanel(b, product, operands[i]!, panel, tokens, { out: made[i]!, outBytes: panelBytes });
  }
  b.for(0, tokens, 1, (token) => {
    const offset = b.mul(token, panelBytes);
    const columns = { count: panelRows, first: b.shl(panel, 5) };
    emitRow(b, rows, { ...place, item: token, products: made.map((m) => b.add(m, offset)), columns });
  });
}

/** Parameters: tokens, then of each product weights, x and bias where there is one, then what `rows` says. */
export function lowerPanels(target: Target, program: PanelProgram): TileProgram {
  const { products, rows } = program;
  const b = new TileBuilder(target);
  const tokens = b.param();
  const operands = products.map((product) => productParams(b, product));
  const params = Array.from({ length: rows.params }, () => b.param());
  const outs = rows.steps.flatMap((step) => (step.written ? [b.param()] : []));
  const scratch = b.add(b.scratch, unpackBytes(products));
  const first = b.add(scratch, rowScratch(rows, target, { count: panelRows }));
  const made = products.map((_, i) => (i === 0 ? first : b.add(first, b.mul(tokens, i * panelBytes))));
  b.for(b.begin, b.end, 1, (panel) => emitPanels(b, program, { operands, made, params, outs, scratch }, panel, tokens));
  const { n, k } = products[0]!.shape;
  return b.finish(`linear-${productNames(products)}+${rowNames(rows)}-${n}x${k}`);
}

export const productNames = (products: readonly PanelProduct[]): string =>
  products.map(({ format }) => (format.kind === "blocks" ? format.type : format.kind)).join("+");
