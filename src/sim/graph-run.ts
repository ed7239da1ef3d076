/** Graphs of the rig of passes: compiled with an entry of the slot, and run for real over random parameters. */
import { launches } from "../compile/launch.ts";
import { type WeightFormat, weightLayout } from "../compile/layout.ts";
import type { Pass } from "../compile/pass.ts";
import { compile } from "../compile/pipeline.ts";
import type { Program } from "../compile/schedule.ts";
import type { Target } from "../compile/tile.ts";
import { stream } from "../core/random.ts";
import type { Device, Region } from "../device/device.ts";
import { type Bindings, bind, withoutAttention } from "../device/session.ts";
import type { Graph } from "../graph/ir.ts";

export interface Compiled {
  readonly program: Program;
  /** Of a parameter as packed; of stacked ones together. */
  readonly weightBytes: (name: string) => number;
}

export const stepTokens = 8;

/** All matrices in one format. */
export function compileWith(graph: Graph, pass: Pass, matrix: WeightFormat, target: Target): Compiled {
  const bytes = new Map<string, number>();
  const formats = new Map<string, WeightFormat>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const [n, k] = type.shape.map(Number);
    if (k !== undefined) formats.set(op.name, matrix);
    bytes.set(op.name, k === undefined ? Math.max(64, 4 * n!) : weightLayout(matrix, n!, k).bytes);
  }
  const program = compile(graph, { target, formats, pass, tokensMax: stepTokens, rowsMax: stepTokens });
  const weightBytes = (name: string): number => name.split("+").reduce((sum, part) => sum + bytes.get(part)!, 0);
  return { program, weightBytes };
}

/** Runs a graph without attention once over `stepTokens` tokens; rows of the output `y`. Matrices are f32. */
export async function runGraph(
  device: Device,
  graph: Graph,
  { program, weightBytes }: Compiled,
): Promise<Float32Array> {
  const owned: Region[] = [];
  const alloc = (bytes: number): Region => {
    const region = device.alloc(bytes);
    owned.push(region);
    return region;
  };
  const weights = new Map<string, Region>();
  for (const { kind, name } of program.calls.flatMap((c) => c.args.flatMap((a) => (a.kind === "weight" ? [a] : [])))) {
    if (kind !== "weight" || weights.has(name)) continue;
    const region = alloc(weightBytes(name));
    let at = 0;
    for (const part of name.split("+")) {
      fill(floats(region).subarray(at / 4, (at + weightBytes(part)) / 4), part);
      at += weightBytes(part);
    }
    weights.set(name, region);
  }
  const small = alloc(4 * stepTokens);
  const [tokens, rows] = [alloc(4 * stepTokens), alloc(4 * stepTokens)];
  for (const region of [tokens, rows])
    new Int32Array(region.buffer, region.offset, stepTokens).forEach((_, i, all) => {
      all[i] = i;
    });
  const bindings: Bindings = {
    ...withoutAttention(small),
    ...{ arena: alloc(program.arenaBytes), weights },
    inputs: { tokens, positions: small, rows, inverseTemperatures: small },
  };
  const launch = { id: "conflict-barrier", policy: await launches.create("conflict-barrier") };
  const session = bind(device, program, bindings, launch);
  try {
    await session.run(stepTokens, stepTokens);
    const width = Number(graph.nodes.find((n) => n.id === graph.outputs.y)!.type.shape[1]);
    const out = new Float32Array(stepTokens * width);
    for (let row = 0; row < stepTokens; row++) out.set(session.output("y", row, width), row * width);
    return out;
  } finally {
    session.close();
    for (const region of owned) device.free(region);
  }
}

const floats = (r: Region): Float32Array => new Float32Array(r.buffer, r.offset, r.bytes / 4);

/** The same numbers for the same name, in whatever order parameters are asked for. */
function fill(into: Float32Array, name: string): void {
  const random = stream(...Array.from(name, (c) => c.charCodeAt(0)));
  for (let i = 0; i < into.length; i++) into[i] = (random() - 0.5) / 4;
}
