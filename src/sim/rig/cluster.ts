/** The rig of the cluster: one slot varies, the others hold their baselines; a generated trace, priced in virtual seconds. */

import { placements } from "../../cluster/placement.ts";
import { policyOf } from "../../cluster/policy.ts";
import { scalings } from "../../cluster/scaling.ts";
import { schedulings } from "../../cluster/scheduling.ts";
import { sharings } from "../../cluster/sharing.ts";
import { UserError } from "../../core/errors.ts";
import type { Slot } from "../../core/slot.ts";
import { ClusterReading } from "../cluster/metrics.ts";
import { streamCluster } from "../cluster/simulate.ts";
import { clusterWorkload } from "../cluster/workload.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

/** A policy on a workload of the rig: `measureCluster("srtf+best-fit", "philly-like")`. */
export async function measureCluster(name: string, on: string, options: Given = {}, seed = 1): Promise<Metrics> {
  const [id = name] = name.split("+");
  const { nodes, jobs, roundSeconds, leaseSeconds, launcher, beside, ...steady } = clusterWorkload(on, seed);
  const ordersItself = name.split("+").some((part) => schedulings.ids().includes(part.split("/").at(-1)!));
  const whole = beside === undefined || ordersItself ? name : `${name}+${beside}`;
  const policy = await policyOf(whole, { [id.split("/").at(-1)!]: options });
  const reading = new ClusterReading(nodes);
  const rounds = roundSeconds === undefined ? {} : { roundSeconds };
  const model = { ...(launcher && { launcher }), ...(leaseSeconds !== undefined && { leaseSeconds }) };
  streamCluster({ jobs, nodes, policy, steady, ...rounds, ...model }, reading.add);
  const { averageJct, makespan, p99Jct, utilisation, fairness, deadlines, tenants, ...counts } = reading.metrics();
  const light = tenants.toSorted((a, b) => a.jobs - b.jobs)[0];
  return {
    ...{ jobs: jobs.length, finished: counts.finished, averageJct, makespan, p99Jct, utilisation },
    ...{ fairnessWorst: fairness.worst, fairnessMean: fairness.mean, unfair: fairness.unfair },
    deadlinesMet: deadlines.of === 0 ? 1 : deadlines.met / deadlines.of,
    restarts: counts.restarts,
    // Of the tenant that has fewest jobs.
    lightTenantJct: light?.averageJct ?? 0,
  };
}

const cluster = (slot: Slot<unknown>): Rig => ({
  slot,
  workload: "philly-like",
  async measure(id, where, on = "philly-like", given = {}) {
    if (where === "sim") return measureCluster(`${slot.path}/${id}`, on, given);
    throw new UserError(`${slot.path} is measured in simulation.`, 'A claim of the cluster says `where: "sim"`.');
  },
});

export const clusterRigs: readonly Rig[] = [schedulings, scalings, sharings, placements].map(cluster);
