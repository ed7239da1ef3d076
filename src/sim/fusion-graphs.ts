/** Graphs on which fusion is measured: a decoder of Gemma's form, and chains without products. */
import type { WeightFormat } from "../compile/layout.ts";
import { GraphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";

export interface FusionWorkload {
  readonly graph: Graph;
  readonly formats: ReadonlyMap<string, WeightFormat>;
  readonly tokens: number;
}

const sizes = { width: 640, heads: 4, headWidth: 256, feedForward: 2048, layers: 2, vocabulary: 4096 } as const;
const q8: WeightFormat = { kind: "blocks", type: "Q8_0" };

/** Gemma's block: norms before and after each part, norms of queries and keys, a gate. */
function decoderGraph(): Graph {
  const { width, heads, headWidth, feedForward, layers, vocabulary } = sizes;
  const g = new GraphBuilder();
  const [tokens, positions] = [g.tokens(), g.positions()];
  const rope = {
    frequencies: Array.from({ length: headWidth / 2 }, (_, i) => 10_000 ** ((-2 * i) / headWidth)),
    magnitude: 1,
  };
  const norm = (x: Value, name: string): Value => g.rmsNorm(x, g.weight(name, [Number(x.shape.at(-1))]), 1e-6);
  const linear = (x: Value, name: string, n: number): Value => g.linear(x, g.weight(name, [n, Number(x.shape.at(-1))]));
  let x = g.embed(tokens, g.weight("embedding", [vocabulary, width]), Math.sqrt(width));
  for (let layer = 0; layer < layers; layer++) {
    const name = (part: string): string => `${layer}.${part}`;
    const normed = norm(x, name("norm"));
    const head = (part: string, count: number): Value =>
      g.reshape(linear(normed, name(part), count * headWidth), ["T", count, headWidth]);
    const q = g.rope(norm(head("q", heads), name("q.norm")), positions, rope);
    const k = g.rope(norm(head("k", 1), name("k.norm")), positions, rope);
    const seen = g.attention(q, k, head("v", 1), positions, { layer, scale: 1 / 16, window: 512 });
    const attended = linear(g.reshape(seen, ["T", heads * headWidth]), name("o"), width);
    const middle = g.add(x, norm(attended, name("o.norm")));
    const fed = norm(middle, name("fed.norm"));
    const gated = g.mul(g.gelu(linear(fed, name("gate"), feedForward)), linear(fed, name("up"), feedForward));
    x = g.add(middle, norm(linear(gated, name("down"), width), name("down.norm")));
  }
  const hidden = norm(g.gather(x, g.rows()), "norm");
  return g.finish({ logits: linear(hidden, "embedding", vocabulary), hidden });
}

/** Norms, activations and residuals one behind the other, as training graphs have them between products. */
function chainGraph(): Graph {
  const g = new GraphBuilder();
  let x = g.gather(g.embed(g.tokens(), g.weight("embedding", [64, 640])), g.rows());
  for (let layer = 0; layer < 4; layer++) {
    const normed = g.rmsNorm(x, g.weight(`${layer}`, [640]), 1e-6);
    x = g.add(x, g.mul(g.gelu(normed), g.silu(normed)));
  }
  return g.finish({ x });
}

/** Two layers of gated products that are narrow for their many tokens. */
function narrowGraph(): Graph {
  const [width, hidden] = [64, 256];
  const g = new GraphBuilder();
  let x = g.embed(g.tokens(), g.weight("embedding", [64, width]));
  for (let layer = 0; layer < 2; layer++) {
    const product = (y: Value, name: string, n: number): Value =>
      g.linear(y, g.weight(`${layer}.${name}`, [n, Number(y.shape.at(-1))]));
    const gated = g.mul(g.gelu(product(x, "gate", hidden)), product(x, "up", hidden));
    x = product(gated, "down", width);
  }
  return g.finish({ x });
}

function withFormats(graph: Graph, tokens: number): FusionWorkload {
  const formats = new Map<string, WeightFormat>();
  for (const { op, type } of graph.nodes) if (op.kind === "weight" && type.shape.length === 2) formats.set(op.name, q8);
  return { graph, formats, tokens };
}

export const fusionWorkloads: Readonly<Record<string, () => FusionWorkload>> = {
  decoder: () => withFormats(decoderGraph(), 1),
  prefill: () => withFormats(decoderGraph(), 128),
  "narrow-products": () => withFormats(narrowGraph(), 512),
  chain: () => withFormats(chainGraph(), 128),
};
