import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import { nodeSpecs } from "../test/cluster-view.ts";
import { Bins } from "./bins.ts";
import type { ClusterView } from "./decision.ts";
import type { JobSpec, JobView } from "./job.ts";
import { Kinds } from "./job-order.ts";
import { policyOf } from "./policy.ts";
import { RankOrder } from "./rank-order.ts";
import { firstThatFit } from "./regroup.ts";
import { WaitingOrder } from "./waiting-order.ts";

/** More than three nodes can run, of several sizes, some for one type alone; many of equal length. */
function workload(seed: number): readonly JobSpec[] {
  const random = stream(seed);
  let submit = 0;
  return Array.from({ length: 150 }, (_, i): JobSpec => {
    submit += random() < 0.3 ? 0 : Math.floor(40 * random());
    const gpus = [1, 1, 1, 2, 4, 8][Math.floor(6 * random())]!;
    const types = random() < 0.2 ? { types: ["b"] } : {};
    const duration = 50 * Math.ceil(8 * random());
    return { ...{ id: `j${i}`, submit, gpus, duration, tenant: "t", priority: 0, weight: 1 }, ...types };
  });
}

const ids = (jobs: Iterable<JobView>): string[] => Array.from(jobs, ({ spec }) => spec.id);

/** Calls `look` with the views of a run that preempts, in which jobs take time to leave, a node is lost and a job is cancelled. */
async function views(policy: string, seed: number, look: (view: ClusterView) => void): Promise<number> {
  const whole = await policyOf(policy);
  let decisions = 0;
  simulateCluster({
    nodes: [...nodeSpecs(2, 4, "a"), ...nodeSpecs(1, 4, "b")],
    jobs: workload(seed),
    policy: {
      ...whole,
      scheduling: {
        decide(view) {
          decisions++;
          look(view);
          return whole.scheduling.decide(view);
        },
      },
    },
    steady: { stopSeconds: 7, restartSeconds: 3 },
    events: [
      { kind: "node-lost", at: 900, node: 1 },
      { kind: "node-back", at: 1500, node: 1 },
      { kind: "cancelled", at: 1000, job: "j20" },
    ],
  });
  return decisions;
}

/** Every job is tried, first first. */
function plainly(view: ClusterView, order: readonly JobView[]): string[] {
  const bins = new Bins(view.nodes);
  return ids(order.filter(({ gpus, spec }) => bins.take(gpus, spec.types) !== undefined));
}

const ranks: Readonly<Record<string, (job: JobView) => number>> = {
  service: ({ service }) => service,
  length: ({ spec, ran }) => spec.duration! - ran,
  size: ({ gpus }) => -gpus,
  turn: () => 0,
};

for (const [name, rank] of Object.entries(ranks)) {
  test(`by ${name}: the order of a sort of all jobs, and the same first that fit, at every decision`, async () => {
    for (const [seed, policy] of ["las-2d", "gandiva", "srtf", "las-2d+grow-shrink"].entries()) {
      const waiting = new WaitingOrder(rank);
      const decisions = await views(policy, seed, (view) => {
        waiting.sync(view);
        const sorted = [...view.running, ...view.waiting]
          .map((job) => ({ job, rank: rank(job) }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ job }) => job);
        assert.deepEqual(ids(waiting.all(view)), ids(sorted));
        assert.deepEqual(ids(firstThatFit(view, waiting.all(view))), plainly(view, sorted));
      });
      assert.ok(decisions > 200, `${decisions} decisions`);
    }
  });
}

test("where scheduling ranks nobody: who goes on, who starts, who waits, who leaves", async () => {
  const order = new RankOrder();
  await views("las-2d", 7, (view) => {
    const [running, waiting] = [[...view.running], [...view.waiting]];
    const start = waiting.filter((_, i) => i % 3 === 1);
    const leaving = running.filter((_, i) => i % 2 === 1);
    const expected = [...running.filter((_, i) => i % 2 === 0), ...start, ...waiting.filter((_, i) => i % 3 !== 1)];
    const decision = { stop: ids(leaving), start: start.map(({ spec }) => ({ job: spec.id })) };
    assert.deepEqual(ids(order.of(view, decision)), ids([...expected, ...leaving]));
  });
});

test("jobs like one that found no room are passed over, and so are those of its size that mind where they run", async () => {
  let passed = 0;
  await views("las-2d", 8, (view) => {
    const waiting = new WaitingOrder();
    waiting.sync({ ...view, arrived: [...view.waiting], requeued: [] });
    const full = new Kinds();
    const seen: JobView[] = [];
    for (const job of waiting.all(view).without(full)) {
      seen.push(job);
      if (job.gpus === 1 && job.spec.types === undefined) full.add(job);
    }
    const ones = seen.filter(({ gpus }) => gpus === 1);
    const first = ones.findIndex(({ spec }) => spec.types === undefined);
    if (first >= 0) assert.equal(ones.length, first + 1);
    passed += [...view.running, ...view.waiting].length - seen.length;
  });
  assert.ok(passed > 100);
});
