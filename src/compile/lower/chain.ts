/**
 * Products, what follows column by column, and a product of that, in one kernel, block by block of tokens:
 *
 *     block of x ──► panels, one after the other ──► rows between, whole, in scratch ──► panels of the last product ──► memory
 *
 * What is between never leaves its thread; weights are read once a block. A work item is a token, and a thread's items are
 * done in blocks of at most `block`.
 */
import { assert } from "../../core/errors.ts";
import { panelRows } from "../block-format.ts";
import { weightLayout } from "../layout.ts";
import type { Target, TileProgram } from "../tile.ts";
import { TileBuilder } from "../tile-builder.ts";
import { activationBytes } from "./linear.ts";
import {
  emitPanel,
  emitPanels,
  type PanelProduct,
  type PanelProgram,
  panelBytes,
  productNames,
  productParams,
  unpackBytes,
} from "./panels.ts";
import { rowNames, rowScratch } from "./row-kernel.ts";
import { strideOf } from "./row-work.ts";
import { rowBytesOf } from "./rows.ts";

export interface ChainProgram {
  /** Its last step alone is written, and it reads nothing but its products. */
  readonly panels: PanelProgram;
  readonly last: PanelProduct;
  /** Tokens. */
  readonly block: number;
}

/** Scratch that a chain may use beside what its products unpack into, and every device has. */
export const chainScratchMax = 1 << 19;

/** Scratch beside what products unpack into: a panel of each product, then the rows between. */
export function chainScratch({ panels, block }: ChainProgram, target: Target): number {
  const between = strideOf(panels.rows.steps.at(-1)!.work, target);
  const own = rowScratch(panels.rows, target, { count: panelRows });
  return own + block * (panels.products.length * panelBytes + between);
}

/** Parameters: of each product and then the last, weights, x but for the last, and bias where there is one; then out. */
export function lowerChain(target: Target, program: ChainProgram): TileProgram {
  const { panels, last, block } = program;
  const { products, rows } = panels;
  assert(chainScratch(program, target) <= chainScratchMax, () => `blocks of ${block} tokens need too much scratch`);
  const b = new TileBuilder(target);
  const operands = products.map((product) => productParams(b, product));
  const w = b.param();
  const bias = last.shape.bias ? b.param() : undefined;
  const out = b.param();
  const scratch = b.add(b.scratch, unpackBytes([...products, last]));
  const first = b.add(scratch, rowScratch(rows, target, { count: panelRows }));
  const made = products.map((_, i) => (i === 0 ? first : b.add(first, i * block * panelBytes)));
  const between = b.add(first, products.length * block * panelBytes);
  const countOf = ({ format, shape }: PanelProduct): number => weightLayout(format, shape.n, shape.k).panels;
  const outBytes = rowBytesOf(last.shape.n);
  b.for(b.begin, b.end, block, (start) => {
    const tokens = b.min(b.sub(b.end, start), block);
    const blocks = products.map(({ format, shape }, i) => ({
      ...operands[i]!,
      x: b.add(operands[i]!.x, b.mul(start, activationBytes(format, shape.k, target))),
    }));
    b.for(0, countOf(products[0]!), 1, (panel) => {
      emitPanels(b, panels, { operands: blocks, made, params: [], outs: [between], scratch }, panel, tokens);
    });
    const to = b.add(out, b.mul(start, outBytes));
    b.for(0, countOf(last), 1, (panel) => {
      const at = b.add(to, b.shl(panel, 7));
      emitPanel(b, last, { w, x: between, bias }, panel, tokens, { out: at, outBytes });
    });
  });
  const { n, k } = last.shape;
  return b.finish(`chain-${productNames(products)}+${rowNames(rows)}+${productNames([last])}-${n}x${k}`);
}
