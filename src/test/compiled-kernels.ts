/** The kernels of a decoder's layer, one product for each format of weights: what the whole compiler emits, on one target. */
import { type BlockType, blockFormats } from "../compile/block-format.ts";
import type { WeightFormat } from "../compile/layout.ts";
import { compile } from "../compile/pipeline.ts";
import type { Target, TileProgram } from "../compile/tile.ts";
import { GraphBuilder } from "../graph/builder.ts";

const types = Object.keys(blockFormats) as BlockType[];
const formats: readonly WeightFormat[] = [
  { kind: "f32" },
  { kind: "bf16" },
  ...types.map((type) => ({ kind: "blocks", type }) as const),
];

export function compiledKernels(target: Target): readonly TileProgram[] {
  const g = new GraphBuilder();
  const [width, heads, headWidth, vocabulary] = [256, 4, 64, 512];
  const [tokens, positions] = [g.tokens(), g.positions()];
  const rope = { frequencies: Array.from({ length: headWidth / 2 }, (_, i) => 1 / (i + 1)), magnitude: 1 };
  const table = g.weight("table", [vocabulary, width]);
  const norm = g.weight("norm", [width]);
  let x = g.embed(tokens, table, 2);
  for (const [i] of formats.entries()) {
    const h = g.rmsNorm(x, norm, 1e-6);
    const product = (name: string, rows: number) => g.linear(h, g.weight(`${name}.${i}`, [rows, width]));
    const q = g.rope(g.reshape(product("q", width), ["T", heads, headWidth]), positions, rope);
    const k = g.rope(g.reshape(product("k", headWidth), ["T", 1, headWidth]), positions, rope);
    const v = g.reshape(product("v", headWidth), ["T", 1, headWidth]);
    const how = { layer: i, scale: 0.125, ...(i % 2 === 1 && { window: 32 }) };
    const seen = g.reshape(g.attention(q, k, v, positions, how), ["T", width]);
    const gate = i % 2 === 1 ? g.gelu(product("gate", width)) : g.silu(product("gate", width));
    x = g.add(x, g.add(seen, g.mul(gate, product("up", width))));
  }
  const logits = g.linear(g.gather(g.rmsNorm(x, norm, 1e-6), g.rows()), table);
  const formatOf = new Map<string, WeightFormat>([["table", { kind: "blocks", type: types[0]! }]]);
  for (const [i, format] of formats.entries()) {
    for (const name of ["q", "k", "v", "gate", "up"]) formatOf.set(`${name}.${i}`, format);
  }
  return compile(g.finish({ logits }), { target, formats: formatOf, tokensMax: 8, rowsMax: 8 }).kernels;
}
