/**
 * The parts that decoder-only transformers share: attention with grouped heads, a gated feed-forward, and the ends.
 *
 * An architecture says in which order they come and what is normalised; optional weights (biases, norms of queries and
 * keys) are used where the checkpoint has them.
 */
import { UserError } from "../core/errors.ts";
import { GraphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";
import type { ModelConfig } from "./checkpoint.ts";
import type { Hyperparameters } from "./config.ts";
import { makeRope } from "./rope.ts";

/** Kernels read heads in whole vectors. */
const headWidthMultiple = 16;
/** Far above anything published: a damaged file must not cost memory. */
const headWidthMax = 4096;

/** A configuration in which every layer is the same and attends to everything. */
export function uniformConfig(given: Hyperparameters): ModelConfig {
  const headWidth = given.headWidth ?? given.width / given.heads;
  const kvHeads = given.kvHeads ?? given.heads;
  checkHeads(given, headWidth, kvHeads);
  const rope = makeRope(headWidth, given.ropeBase ?? 10000, given.ropeScaling);
  return {
    architecture: given.architecture,
    layers: given.layers,
    width: given.width,
    heads: given.heads,
    kvHeads,
    headWidth,
    feedForward: given.feedForward,
    vocabulary: given.vocabulary,
    context: given.context,
    normEpsilon: given.normEpsilon ?? 1e-6,
    ropes: Array.from({ length: given.layers }, () => rope),
    windows: Array.from({ length: given.layers }, () => undefined),
    attentionScale: 1 / Math.sqrt(given.queryScalar ?? headWidth),
    embeddingScale: 1,
    tied: given.tied,
  };
}

function checkHeads(given: Hyperparameters, headWidth: number, kvHeads: number): void {
  if (headWidth % headWidthMultiple !== 0 || headWidth > headWidthMax) {
    throw new UserError(
      `Reading ${given.path}: its attention heads are ${headWidth} wide.`,
      `Heddle runs multiples of ${headWidthMultiple} up to ${headWidthMax}: take another model.`,
    );
  }
  if (given.heads % kvHeads !== 0) {
    throw new UserError(
      `Reading ${given.path}: ${given.heads} query heads cannot share ${kvHeads} key-value heads evenly.`,
      "The file is damaged or of another kind: download it again.",
    );
  }
}

/** A model being built: what every block needs. */
export interface Decoder {
  readonly graph: GraphBuilder;
  readonly config: ModelConfig;
  readonly positions: Value;
  /** The normed `x` by the weight called `name`. */
  norm(x: Value, name: string): Value;
  /** As `norm`, but `x` itself where the checkpoint has no such weight. */
  optionalNorm(x: Value, name: string): Value;
  /** `x` times the matrix called `name`, [outputs, inputs], plus its bias where there is one. */
  linear(x: Value, name: string, outputs: number): Value;
}

/** Embeds the tokens, applies `block` for each layer, and takes the wanted rows to logits. */
export function decoder(
  config: ModelConfig,
  present: (name: string) => boolean,
  block: (model: Decoder, x: Value, layer: number) => Value,
): Graph {
  const graph = new GraphBuilder();
  const norm = (x: Value, name: string): Value =>
    graph.rmsNorm(x, graph.weight(name, [Number(x.shape.at(-1))]), config.normEpsilon);
  const linear = (x: Value, name: string, outputs: number): Value => {
    const bias = present(`${name}.bias`) ? graph.weight(`${name}.bias`, [outputs]) : undefined;
    const base = graph.linear(x, graph.weight(name, [outputs, Number(x.shape.at(-1))]), bias);
    return present(`${name}.lora.a`) ? graph.add(base, lowRank(x, name, outputs)) : base;
  };
  /** B (A x), of all adapters at once: what is not in a token's own columns is times 0. */
  const lowRank = (x: Value, name: string, outputs: number): Value => {
    const rank = config.adapterRank ?? 0;
    const inner = graph.linear(x, graph.weight(`${name}.lora.a`, [rank, Number(x.shape.at(-1))]));
    const own = graph.mul(inner, graph.adapters(rank));
    return graph.linear(own, graph.weight(`${name}.lora.b`, [outputs, rank]));
  };
  const optionalNorm = (x: Value, name: string): Value => (present(name) ? norm(x, name) : x);
  const tokens = graph.tokens();
  const model: Decoder = { graph, config, positions: graph.positions(), norm, optionalNorm, linear };
  let x = graph.embed(tokens, graph.weight("embedding", [config.vocabulary, config.width]), config.embeddingScale);
  for (let layer = 0; layer < config.layers; layer++) x = block(model, x, layer);
  // Rows are picked first: the output matrix is the largest, and a prompt wants one row of it.
  const hidden = norm(graph.gather(x, graph.rows()), "norm");
  const logits = linear(hidden, config.tied ? "embedding" : "output", config.vocabulary);
  return graph.finish({ logits, hidden });
}

/** x [T, D], already normed → [T, D]: projections, norms of heads where present, rope, attention, output projection. */
export function attention(model: Decoder, x: Value, layer: number): Value {
  const { graph, config, positions } = model;
  const { heads, kvHeads, headWidth } = config;
  const name = `layer.${layer}.attention`;
  const rope = config.ropes[layer]!;
  const project = (part: "q" | "k" | "v", count: number): Value =>
    graph.reshape(model.linear(x, `${name}.${part}`, count * headWidth), ["T", count, headWidth]);
  const q = graph.rope(model.optionalNorm(project("q", heads), `${name}.q.norm`), positions, rope);
  const k = graph.rope(model.optionalNorm(project("k", kvHeads), `${name}.k.norm`), positions, rope);
  const v = project("v", kvHeads);
  const window = config.windows[layer];
  const how = { layer, scale: config.attentionScale, ...(window === undefined ? {} : { window }) };
  const joined = graph.reshape(graph.attention(q, k, v, positions, how), ["T", heads * headWidth]);
  return model.linear(joined, `${name}.o`, config.width);
}

/** x [T, D], already normed → down(activation(gate(x)) * up(x)), [T, D]. */
export function feedForward(model: Decoder, x: Value, layer: number, activation: "gelu" | "silu"): Value {
  const { graph, config } = model;
  const name = `layer.${layer}.feedForward`;
  const gate = model.linear(x, `${name}.gate`, config.feedForward);
  const up = model.linear(x, `${name}.up`, config.feedForward);
  return model.linear(graph.mul(graph[activation](gate), up), `${name}.down`, config.width);
}

/** The block of llama and of what followed it: each part adds to x what it makes of the normed x. */
export function preNormBlock(model: Decoder, x: Value, layer: number): Value {
  const { graph } = model;
  const attended = graph.add(x, attention(model, model.norm(x, `layer.${layer}.attention.norm`), layer));
  return graph.add(
    attended,
    feedForward(model, model.norm(attended, `layer.${layer}.feedForward.norm`), layer, "silu"),
  );
}
