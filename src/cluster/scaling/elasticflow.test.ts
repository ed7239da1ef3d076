import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { clusterMetrics } from "../../sim/cluster/metrics.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { clusterView, jobSpec, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobSpec, Outlook } from "../job.ts";
import { policyOf } from "../policy.ts";
import elasticflow from "./elasticflow.ts";

const concave = (gpus: number): number => gpus ** 0.7;
const outlook = (total: number): Outlook => ({ done: 0, total, rate: concave });
const elastic = (id: string, total: number, deadline: number) =>
  jobView(id, { deadline, range: { min: 1, max: 8 } }, { outlook: outlook(total) });

test("a job is admitted only beside all promises made", () => {
  const policy = elasticflow.create({ reserve: 0, slot: 1, published: 0 });
  // Each needs two of four GPUs for its deadline; a third cannot be promised anything.
  const [a, b, c] = ["a", "b", "c"].map((id) => elastic(id, concave(2) * 100, 101));
  const view = clusterView([a!, b!, c!], nodeSpecs(1, 4), { arrived: [a!, b!, c!] });
  const sizes = policy.sizes(view);
  assert.deepEqual(policy.rejected!(), ["c"]);
  assert.deepEqual([sizes.get("a")?.gpus, sizes.get("b")?.gpus, sizes.get("c")?.gpus], [2, 2, undefined]);
});

test("spare GPUs go where they cost least, not to whom is due first", () => {
  const policy = elasticflow.create({ reserve: 0, slot: 1, published: 0 });
  const flat = jobView(
    "flat",
    { deadline: 200, range: { min: 1, max: 4 } },
    { outlook: { done: 0, total: 50, rate: (g) => 1 + g / 100 } },
  );
  const steep = jobView(
    "steep",
    { deadline: 900, range: { min: 1, max: 4 } },
    { outlook: { done: 0, total: 50, rate: (g) => g } },
  );
  const sizes = policy.sizes(clusterView([flat, steep], nodeSpecs(1, 4), { arrived: [flat, steep] }));
  assert.deepEqual([sizes.get("flat")?.gpus, sizes.get("steep")?.gpus], [2, 2]);
  assert.deepEqual(policy.rejected!(), []);
});

test("an admitted job never misses its deadline", async () => {
  let rejected = 0;
  for (let seed = 0; seed < 40; seed++) {
    const random = stream(0xef, seed);
    const jobs: JobSpec[] = Array.from({ length: 25 }, (_, i) => {
      const submit = Math.floor(random() * 600);
      const duration = 60 + Math.floor(500 * random());
      const deadline = submit + duration * (0.4 + 1.5 * random());
      return jobSpec(`j${i}`, { submit, duration, deadline, range: { min: 1, max: 8 } });
    });
    const nodes = nodeSpecs(2, 4);
    const log = simulateCluster({
      ...{ jobs, nodes, policy: await policyOf("elasticflow+widest", { elasticflow: { slot: 1e-3 } }) },
      steady: { speed: (_job, gpus) => concave(gpus) },
    });
    for (const { id, ended, end } of clusterMetrics(log, nodes).jobs) {
      const { deadline } = jobs.find((job) => job.id === id)!;
      if (ended === "rejected") rejected++;
      else
        assert.ok(
          ended === "finished" && end! <= deadline! + 1e-3,
          `seed ${seed}: ${id} ended at ${end}, due ${deadline}`,
        );
    }
  }
  assert.ok(rejected > 50, `${rejected} rejected: the test is too easy`);
});
