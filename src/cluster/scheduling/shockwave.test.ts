import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { Decision } from "../decision.ts";
import type { Outlook, Regimes } from "../job.ts";
import { schedulings } from "../scheduling.ts";
import { loadSolver } from "../solver.ts";
import { inTurn, ranked } from "./shockwave/ranks.ts";
import { remainingSeconds } from "./shockwave/remaining.ts";
import { rounds } from "./shockwave/window.ts";

await loadSolver();

const epochs = (batches: readonly number[], seconds: readonly number[], done: number): Regimes => ({
  done,
  batches,
  seconds,
});

test("what is left is a posterior: batch sizes seen more often are expected more often", () => {
  const batches = [16, 16, 16, 16, 32, 32, 32, 32];
  const seconds = batches.map((batch) => (batch === 16 ? 100 : 40));
  // Before anything is seen: 4 epochs each of both, but the first has begun; of 8 + 1 − 1 epochs 8 are left.
  const prior = remainingSeconds(epochs(batches, seconds, 0));
  assert.ok(Math.abs(prior - ((8 * (5 / 9) - 1) * 100 + 8 * (4 / 9) * 40)) < 1e-9, `${prior}`);
  // Four slow epochs: 8 of 12 parts of the posterior are slow, 4 of those 5⅓ epochs are over, and 2⅔ fast ones are expected.
  const later = remainingSeconds(epochs(batches, seconds, 3));
  assert.ok(Math.abs(later - ((4 / 3) * 100 + (8 / 3) * 40)) < 1e-9, `${later}`);
  assert.equal(remainingSeconds(epochs(batches, seconds, 8)), 1, "nothing is left");
});

const window = { gpus: 1, rounds: 4, roundSeconds: 120, end: 480, share: 1, tail: 0 };
const limits = { gap: 1e-4, nodes: 50 };
const bid = (done: number, seconds: number, due = 1e6) => ({
  ...{ gpus: 1, epochs: 10, done, epochSeconds: seconds, remaining: (10 - done) * seconds, due },
});

test("the logarithm favours who has little, the tail who has most to do, and weights who is late", () => {
  const [half, fresh] = rounds(window, [bid(5, 120), bid(0, 120)], [1, 1], false, limits)!;
  assert.deepEqual([half, fresh], [0, 4], "progress counts most while there is little");
  const even = [bid(4, 60), bid(4, 240)];
  const [short, long] = rounds({ ...window, tail: 1 }, even, [1, 1], false, limits)!;
  assert.deepEqual([short, long], [0, 4]);
  const [late] = rounds(window, [bid(4, 120), bid(4, 120)], [50, 1], false, limits)!;
  assert.equal(late, 4);
});

test("deadlines are kept where they can be, else nothing is promised", () => {
  const both = [bid(0, 60, 480), bid(4, 60)];
  assert.ok(rounds({ ...window, rounds: 5, end: 480 }, both, [1, 1], true, limits)![0]! >= 5);
  assert.equal(rounds(window, both, [1, 1], true, limits), undefined);
});

test("a late job goes before the others in the plan", async () => {
  const plan = ranked(
    [
      { gpus: 1, count: 2, priority: 1 },
      { gpus: 1, count: 2, priority: 9 },
    ],
    4,
    1,
    limits,
  );
  assert.deepEqual(plan, [[1], [1], [0], [0]]);
});

test("GPUs that the plan leaves idle go to who has most to do", async () => {
  const market = await schedulings.create("shockwave", { window: 2 });
  const views = [30, 300, 200].map((seconds, i) => {
    const regimes = epochs(new Array<number>(4).fill(8), new Array<number>(4).fill(seconds), 0);
    return jobView(`${i}`, {}, { outlook: { done: 0, total: 4, rate: () => 1, regimes } });
  });
  const { start } = market.decide(clusterView(views, nodeSpecs(1, 4), { arrived: views, round: 120 }));
  assert.deepEqual(start.map(({ job }) => job).sort(), ["0", "1", "2"]);
});

test("in turn, who needs all rounds that are left comes first: everyone has its rounds, none twice", () => {
  const jobs = [
    { gpus: 1, count: 3, priority: 1 },
    { gpus: 2, count: 3, priority: 1 },
    { gpus: 1, count: 3, priority: 2 },
  ];
  const plan = inTurn(jobs, 4, 4);
  assert.deepEqual(
    jobs.map((_, i) => plan.filter((round) => round.includes(i)).length),
    [3, 3, 3],
  );
  for (const round of plan) {
    assert.equal(new Set(round).size, round.length);
    assert.ok(round.reduce((sum, i) => sum + jobs[i]!.gpus, 0) <= 4);
  }
});

test("where not all counts fit into rounds, one misses one", () => {
  // Three rounds of four GPUs are enough for 12, but without the large job there are only three that could run at once.
  const jobs = [
    { gpus: 4, count: 2, priority: 1 },
    { gpus: 1, count: 2, priority: 9 },
    { gpus: 1, count: 1, priority: 5 },
    { gpus: 1, count: 1, priority: 5 },
  ];
  const plan = ranked(jobs, 3, 4, limits);
  assert.deepEqual(
    jobs.map((_, i) => plan.filter((round) => round.includes(i)).length),
    [2, 1, 1, 1],
  );
});

test("jobs without work, which were due when they came, do not stop the market", async () => {
  const policy = await schedulings.create("shockwave");
  const outlook = { total: 0, done: 0, rate: () => 1, rateBeside: () => 1 } as unknown as Outlook;
  const jobs = [jobView("none", {}, { outlook }), jobView("some", { duration: 300 })];
  const { start } = policy.decide(clusterView(jobs, nodeSpecs(1, 2), { arrived: jobs })) as Decision;
  assert.ok([...start].some(({ job }) => job === "some"));
});
