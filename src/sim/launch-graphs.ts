/** Steps of programs for the rig of launch policies: a decoder as Gemma's, and a graph of many small branches. */
import { type WeightFormat, weightLayout } from "../compile/layout.ts";
import { compile } from "../compile/pipeline.ts";
import type { Program } from "../compile/schedule.ts";
import type { Target } from "../compile/tile.ts";
import { stream } from "../core/random.ts";
import { GraphBuilder, type Value } from "../graph/builder.ts";
import type { Graph } from "../graph/ir.ts";

export interface LaunchProgram {
  readonly program: Program;
  /** Of a weight as packed. */
  readonly weightBytes: (name: string) => number;
}

/** Compiles a graph whose matrices are all of one format. */
export function launchProgram(graph: Graph, matrix: WeightFormat, target: Target, tokensMax: number): LaunchProgram {
  const formats = new Map<string, WeightFormat>();
  const bytes = new Map<string, number>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const [n, k] = type.shape.map(Number);
    if (k !== undefined) formats.set(op.name, matrix);
    bytes.set(op.name, k === undefined ? 4 * n! : weightLayout(matrix, n!, k).bytes);
  }
  return {
    program: compile(graph, { target, formats, tokensMax, rowsMax: 1 }),
    weightBytes: (name) => bytes.get(name)!,
  };
}

/**
 * As a network found by search has them: cells of blocks, each block two paths of three small operations over nodes of the
 * cell that are there already, added; a cell's output is the sum of the nodes that nobody used.
 */
export function branchyGraph(cells: number, blocks: number, width: number): Graph {
  const random = stream(7);
  const g = new GraphBuilder();
  const path = (x: Value, name: string): Value =>
    g.silu(g.linear(g.rmsNorm(x, g.weight(`${name}.norm`, [width]), 1e-6), g.weight(`${name}.matrix`, [width, width])));
  const embedded = g.embed(g.tokens(), g.weight("table", [256, width]));
  let inputs: readonly Value[] = [embedded, embedded];
  for (let cell = 0; cell < cells; cell++) {
    const nodes = [...inputs];
    const used = new Set<Value>();
    const pick = (): Value => nodes[Math.floor(random() * nodes.length)]!;
    for (let block = 0; block < blocks; block++) {
      const [a, b] = [pick(), pick()];
      used.add(a).add(b);
      nodes.push(g.add(path(a, `${cell}.${block}.a`), path(b, `${cell}.${block}.b`)));
    }
    const open = nodes.slice(2).filter((n) => !used.has(n));
    inputs = [inputs[1]!, open.reduce((sum, n) => g.add(sum, n))];
  }
  return g.finish({ hidden: g.gather(inputs[1]!, g.rows()) });
}

/** Gemma 3 270M's shapes, with fewer layers. */
export function decoderGraph(layers: number): Graph {
  const [width, heads, headWidth, feedForward, vocabulary] = [640, 4, 256, 2048, 262_144];
  const g = new GraphBuilder();
  const rope = { frequencies: Array.from({ length: headWidth / 2 }, (_, i) => 10_000 ** (-i / 128)), magnitude: 1 };
  const norm = (x: Value, name: string): Value => g.rmsNorm(x, g.weight(name, [Number(x.shape.at(-1))]), 1e-6);
  const linear = (x: Value, name: string, outputs: number): Value =>
    g.linear(x, g.weight(name, [outputs, Number(x.shape.at(-1))]));
  const positions = g.positions();
  const table = g.weight("table", [vocabulary, width]);
  let x = g.embed(g.tokens(), table);
  for (let layer = 0; layer < layers; layer++) {
    const h = norm(x, `${layer}.before`);
    const head = (name: string, count: number): Value =>
      g.reshape(linear(h, `${layer}.${name}`, count * headWidth), ["T", count, headWidth]);
    const turned = (name: string, count: number): Value =>
      g.rope(norm(head(name, count), `${layer}.${name}.norm`), positions, rope);
    const how = { layer, scale: 1 / 16 };
    const mixed = g.attention(turned("q", heads), turned("k", 1), head("v", 1), positions, how);
    const out = linear(g.reshape(mixed, ["T", heads * headWidth]), `${layer}.o`, width);
    x = g.add(x, norm(out, `${layer}.after`));
    const f = norm(x, `${layer}.feed`);
    const gated = g.mul(g.gelu(linear(f, `${layer}.gate`, feedForward)), linear(f, `${layer}.up`, feedForward));
    x = g.add(x, norm(linear(gated, `${layer}.down`, width), `${layer}.fed`));
  }
  return g.finish({ logits: g.linear(norm(g.gather(x, g.rows()), "last"), table) });
}
