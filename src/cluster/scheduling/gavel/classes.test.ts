import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../../core/random.ts";
import { jobView } from "../../../test/cluster-view.ts";
import { loadSolver } from "../../solver.ts";
import type { Claimant, ShareRequest } from "../../time-shares.ts";
import { type Alike, byTenantAndWeight, byWeight, byWork, inClasses } from "./classes.ts";
import { cost, makespan, maxMinFairness, totalThroughput } from "./objectives.ts";
import { alone } from "./pairs.ts";
import type { Objective } from "./program.ts";
import { byJob, byTenant, waterFilling } from "./water-filling.ts";

await loadSolver();

/** Jobs of a few kinds on two types of GPU, mixed. */
function requestOf(jobs: number, kinds: number, seed: number): ShareRequest {
  const random = stream(12, seed);
  const made = Array.from({ length: kinds }, (_, kind) => ({
    gpus: 1 + Math.floor(2 * random()),
    rates: [1 + random(), 0.2 + random()],
    remaining: 100 + Math.floor(900 * random()),
    spec: { tenant: `${kind % 2}`, weight: 1 + (kind % 3) },
  }));
  const claimants = Array.from({ length: jobs }, (_, i): Claimant => {
    const { gpus, rates, remaining, spec } = made[Math.floor(random() * kinds)]!;
    return { view: jobView(`${i}`, { gpus, ...spec }), gpus, rates, remaining, age: 0 };
  });
  return { now: 0, types: ["v100", "k80"], workers: [Math.ceil(jobs / 3), Math.ceil(jobs / 4)], jobs: claimants };
}

const sharesOf = (objective: Objective, request: ShareRequest): readonly (readonly number[])[] =>
  objective(request, alone(request))!.map(({ shares }) => shares);

const throughputs = (request: ShareRequest, shares: readonly (readonly number[])[]): number[] =>
  request.jobs.map(({ rates }, i) => rates.reduce((sum, rate, k) => sum + rate * shares[i]![k]!, 0));

const objectives: readonly (readonly [string, Objective, Alike])[] = [
  ["max-min", maxMinFairness, byWeight],
  ["makespan", makespan, byWork],
  ["total throughput", totalThroughput, () => ""],
  ["cost", cost(false), () => ""],
  ["water filling", waterFilling(byJob), byWeight],
  ["tenants", waterFilling(byTenant), byTenantAndWeight],
];

for (const [name, objective, alike] of objectives) {
  test(`${name}: over classes as over jobs, every job's shares`, () => {
    for (let seed = 0; seed < 6; seed++) {
      const request = requestOf(6 + 3 * seed, 1 + (seed % 4), seed);
      const [whole, few] = [sharesOf(objective, request), sharesOf(inClasses(objective, alike, 0), request)];
      const [a, b] = [throughputs(request, whole), throughputs(request, few)];
      for (const [i, mine] of b.entries()) {
        assert.ok(Math.abs(mine - a[i]!) < 2e-4, `seed ${seed}, job ${i}: ${mine}, ${a[i]}`);
        for (const k of [0, 1])
          assert.ok(Math.abs(few[i]![k]! - whole[i]![k]!) < 2e-3, `seed ${seed}, job ${i} on ${k}`);
      }
    }
  });
}

test("of thousands of jobs, equal ones have equal shares, and the least is as large as the program of all allows", () => {
  const request = requestOf(2000, 4, 1);
  const least = (shares: readonly (readonly number[])[]): number =>
    throughputs(request, shares).reduce((worst, rate, i) => {
      const { gpus, rates, view } = request.jobs[i]!;
      const even = (rates[0]! * 667 + rates[1]! * 500) / 1167;
      return Math.min(worst, (rate * gpus) / (view.spec.weight * even));
    }, Number.POSITIVE_INFINITY);
  const few = sharesOf(inClasses(maxMinFairness, byWeight), request);
  const [mine, whole] = [least(few), least(sharesOf(maxMinFairness, request))];
  assert.ok(Math.abs(mine - whole) < 1e-6 * whole, `${mine}, ${whole}`);
  const seen = new Map(request.jobs.map(({ rates }, i) => [rates, few[i]!]));
  for (const [i, { rates }] of request.jobs.entries()) assert.equal(few[i], seen.get(rates));
});
