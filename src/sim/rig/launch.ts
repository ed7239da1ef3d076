/**
 * The rig of launch policies: plans for steps of two programs, on one, two and four virtual execution units; or counted where
 * the small one runs for real. A metric's last digit is the number of units.
 */
import { launches } from "../../compile/launch.ts";
import { checkPlan } from "../../compile/launch-order.ts";
import { launchCalls } from "../../compile/launch-view.ts";
import type { Claim } from "../../core/entry.ts";
import { UserError } from "../../core/errors.ts";
import { referenceTarget } from "../../device/reference.ts";
import { branchyGraph, decoderGraph, type LaunchProgram, launchProgram } from "../launch-graphs.ts";
import { runBranchy } from "../launch-machine.ts";
import { simulateLaunch } from "../launch-simulation.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

const branchy = { cells: 4, blocks: 5, width: 64 };

interface Workload {
  readonly tokens: number;
  program(): LaunchProgram;
}

const decoder = (): LaunchProgram =>
  launchProgram(decoderGraph(6), { kind: "blocks", type: "Q8_0" }, referenceTarget, 64);
const workloads: Readonly<Record<string, Workload>> = {
  branchy: {
    tokens: 1,
    program: () =>
      launchProgram(branchyGraph(branchy.cells, branchy.blocks, branchy.width), { kind: "f32" }, referenceTarget, 1),
  },
  decode: { tokens: 1, program: decoder },
  prefill: { tokens: 64, program: decoder },
};

async function simulated(id: string, on: string, given: Given): Promise<Metrics> {
  const workload = Object.hasOwn(workloads, on) ? workloads[on] : undefined;
  if (workload === undefined) {
    throw new UserError(`There is no step "${on}" to launch.`, `There are: ${Object.keys(workloads).join(", ")}.`);
  }
  const policy = await launches.create(id, given);
  const { program, weightBytes } = workload.program();
  const metrics: Record<string, number> = {};
  for (const threads of [1, 2, 4]) {
    const { calls } = launchCalls(program, { tokens: workload.tokens, rows: 1 }, threads, weightBytes);
    metrics.calls = calls.length;
    const plan = policy.plan({ calls, threads });
    checkPlan({ calls, threads }, plan, id);
    const { nativeCalls, waits, seconds, utilisation } = simulateLaunch({ calls, threads }, plan);
    metrics.nativeCalls = nativeCalls;
    metrics[`waits${threads}`] = waits;
    metrics[`microseconds${threads}`] = 1e6 * seconds;
    metrics[`utilisation${threads}`] = utilisation;
  }
  return metrics;
}

const launchRig: Rig = {
  slot: launches,
  workload: "branchy",
  measure: async (id, where: Claim["where"], on = "branchy", given = {}) =>
    where === "sim" ? simulated(id, on, given) : runBranchy(id, given, branchy),
};

export const launchRigs: readonly Rig[] = [launchRig];
