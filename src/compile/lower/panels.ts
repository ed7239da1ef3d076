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
import type { Target, TileProgram } from "../tile.ts";
import { TileBuilder } from "../tile-builder.ts";
import { activationBytes, type LinearShape, linearScratch, lowerItem } from "./linear.ts";
import { emitRow, rowNames, rowScratch } from "./row-kernel.ts";
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

const panelBytes = panelRows * 4;

/** Scratch that panels of a group take beside what each product unpacks into. */
export const panelScratch = (products: number, tokensMax: number): number => products * tokensMax * panelBytes;

/** Parameters: tokens, then of each product weights, x and bias where there is one, then what `rows` says. */
export function lowerPanels(target: Target, { products, rows }: PanelProgram): TileProgram {
  const b = new TileBuilder(target);
  const tokens = b.param();
  const operands = products.map(({ shape }) => {
    const [w, x] = [b.param(), b.param()];
    return { w, x, bias: shape.bias ? b.param() : undefined };
  });
  const params = Array.from({ length: rows.params }, () => b.param());
  const outs = rows.steps.flatMap((step) => (step.written ? [b.param()] : []));
  const columns = { count: panelRows };
  const rowsAt = Math.max(...products.map(({ format, shape }) => linearScratch(format, shape.k)));
  const scratch = b.add(b.scratch, rowsAt);
  const first = b.add(scratch, rowScratch(rows, target, columns));
  b.for(b.begin, b.end, 1, (item) => {
    const made = products.map((_, i) => (i === 0 ? first : b.add(first, b.mul(tokens, i * panelBytes))));
    for (const [i, { format, shape, schedule }] of products.entries()) {
      const { w, x, bias } = operands[i]!;
      const panel = b.add(w, b.mul(item, weightLayout(format, shape.n, shape.k).panelBytes));
      lowerItem(b, format, shape.k, schedule, panel, tokens, {
        from: (token) => b.add(x, b.mul(token, activationBytes(format, shape.k, target))),
        to: (token) => b.add(made[i]!, b.mul(token, panelBytes)),
        rowBytes: panelBytes,
        bias: bias === undefined ? undefined : b.add(bias, b.shl(item, 7)),
      });
    }
    b.for(0, tokens, 1, (token) => {
      const offset = b.mul(token, panelBytes);
      const place = { item: token, params, outs, products: made.map((m) => b.add(m, offset)), scratch };
      emitRow(b, rows, { ...place, columns: { ...columns, first: b.shl(item, 5) } });
    });
  });
  const names = products.map(({ format }) => (format.kind === "blocks" ? format.type : format.kind));
  const { n, k } = products[0]!.shape;
  return b.finish(`linear-${names.join("+")}+${rowNames(rows)}-${n}x${k}`);
}
