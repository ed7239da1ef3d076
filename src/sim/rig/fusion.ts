/**
 * The rig of fusion: programs compiled by a policy, and what is counted in them. Bytes are those of rows that calls read and
 * write in the arena, for a step of as many tokens as the workload says; weights and caches are the same for all.
 */
import { fusions } from "../../compile/fusion.ts";
import { compile } from "../../compile/pipeline.ts";
import { x64Targets } from "../../compile/render/x64.ts";
import type { Program } from "../../compile/schedule.ts";
import { UserError } from "../../core/errors.ts";
import type { Dim } from "../../graph/ir.ts";
import { fusionWorkloads } from "../fusion-graphs.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

/** Counted in a program for steps of `tokens`, each with an output row. */
export function countProgram({ calls, kernels, buffers, arenaBytes }: Program, tokens: number): Metrics {
  const rows = (dim: Dim): number => (typeof dim === "number" ? dim : tokens);
  const trafficBytes = calls
    .flatMap(({ args }) => args)
    .reduce((n, a) => n + (a.kind === "buffer" ? rows(buffers[a.id]!.rows) * buffers[a.id]!.rowBytes : 0), 0);
  const barriers = calls.filter((call) => call.barrier).length;
  return { calls: calls.length, kernels: kernels.length, barriers, trafficBytes, arenaBytes };
}

async function measure(id: string, on: string, given: Given): Promise<Metrics> {
  const workload = Object.hasOwn(fusionWorkloads, on) ? fusionWorkloads[on] : undefined;
  if (workload === undefined) {
    throw new UserError(`There is no graph "${on}" to fuse.`, `There are: ${Object.keys(fusionWorkloads).join(", ")}.`);
  }
  const { graph, formats, tokens } = workload();
  const fusion = { id, policy: await fusions.create(id, given) };
  const target = x64Targets["x64-avx512"];
  return countProgram(compile(graph, { target, formats, fusion, tokensMax: tokens, rowsMax: tokens }), tokens);
}

const fusionRig: Rig = {
  slot: fusions,
  workload: "decoder",
  measure: (id, _, on = "decoder", given = {}) => measure(id, on, given),
};

export const fusionRigs: readonly Rig[] = [fusionRig];
