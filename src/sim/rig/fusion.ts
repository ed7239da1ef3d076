/**
 * The rig of fusion: programs compiled by a policy, and what is counted in them. Bytes are those of rows that calls read and
 * write in the arena, for a step of as many tokens as the workload says; `movedBytes` adds the weights, as often as they are
 * read. Caches are the same for all.
 */
import { fusions } from "../../compile/fusion.ts";
import { weightLayout } from "../../compile/layout.ts";
import { compile } from "../../compile/pipeline.ts";
import { x64Targets } from "../../compile/render/x64.ts";
import type { Program } from "../../compile/schedule.ts";
import { UserError } from "../../core/errors.ts";
import type { Dim } from "../../graph/ir.ts";
import { fusionWorkloads } from "../fusion-graphs.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

/** Counted in a program for steps of `tokens`, each with an output row. */
export function countProgram(
  { calls, kernels, buffers, arenaBytes }: Program,
  tokens: number,
  weightBytes: (name: string) => number,
): Metrics {
  const rows = (dim: Dim): number => (typeof dim === "number" ? dim : tokens);
  const trafficBytes = calls
    .flatMap(({ args }) => args)
    .reduce((n, a) => n + (a.kind === "buffer" ? rows(buffers[a.id]!.rows) * buffers[a.id]!.rowBytes : 0), 0);
  const weights = calls.reduce((n, { op, args, block }) => {
    const times = block === undefined ? 1 : Math.ceil(tokens / block);
    const own = args.reduce((sum, a) => sum + (a.kind === "weight" ? weightBytes(a.name) : 0), 0);
    return op === "embed" ? n : n + times * own;
  }, 0);
  const barriers = calls.filter((call) => call.barrier).length;
  const movedBytes = trafficBytes + weights;
  return { calls: calls.length, kernels: kernels.length, barriers, trafficBytes, movedBytes, arenaBytes };
}

async function measure(id: string, on: string, given: Given): Promise<Metrics> {
  const workload = Object.hasOwn(fusionWorkloads, on) ? fusionWorkloads[on] : undefined;
  if (workload === undefined) {
    throw new UserError(`There is no graph "${on}" to fuse.`, `There are: ${Object.keys(fusionWorkloads).join(", ")}.`);
  }
  const { graph, formats, tokens } = workload();
  const fusion = { id, policy: await fusions.create(id, given) };
  const target = x64Targets["x64-avx512"];
  const shapes = new Map(
    graph.nodes.flatMap(({ op, type }) => (op.kind === "weight" ? [[op.name, type.shape.map(Number)]] : [])),
  );
  const weightBytes = (name: string): number => {
    const [n = 0, k] = shapes.get(name)!;
    return k === undefined ? n * 4 : weightLayout(formats.get(name)!, n, k).bytes;
  };
  const program = compile(graph, { target, formats, fusion, tokensMax: tokens, rowsMax: tokens });
  return countProgram(program, tokens, weightBytes);
}

const fusionRig: Rig = {
  slot: fusions,
  workload: "decoder",
  measure: (id, _, on = "decoder", given = {}) => measure(id, on, given),
};

export const fusionRigs: readonly Rig[] = [fusionRig];
