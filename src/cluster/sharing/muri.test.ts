import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { Decision } from "../decision.ts";
import type { JobView, Phases } from "../job.ts";
import { listed } from "../job-order.ts";
import muri from "./muri.ts";

const defaults = { jobs: 4, measured: 1, unpack: 1 };
const resources: readonly Phases[] = [
  { storage: 7, cpu: 1, gpu: 1, network: 1 },
  { storage: 1, cpu: 7, gpu: 1, network: 1 },
  { storage: 1, cpu: 1, gpu: 7, network: 1 },
  { storage: 1, cpu: 1, gpu: 1, network: 7 },
];
const job = (id: string, kind: number, gpus = 1): JobView => jobView(id, { gpus, phases: resources[kind]! });

const groups = ({ start }: Decision): string[] => {
  const of = new Map<string, string[]>();
  for (const { job: id, beside } of start) {
    const group = beside === undefined ? [] : of.get(beside)!;
    group.push(id);
    of.set(id, group);
  }
  return [...new Set(of.values())].map((group) => group.sort().join("+")).sort();
};
const decide = (jobs: readonly JobView[], gpus: number, options = defaults): Decision =>
  muri.create(options).share(clusterView(jobs, nodeSpecs(1, gpus), { arrived: jobs }), { stop: [], start: [] });

test("jobs of four different resources share one GPU", () => {
  const jobs = ["a", "b", "c", "d"].map((id, kind) => job(id, kind));
  assert.deepEqual(groups(decide(jobs, 1)), ["a+b+c+d"]);
  assert.deepEqual(groups(decide(jobs, 1, { ...defaults, jobs: 1 })), ["a"]);
});

test("of four jobs on two GPUs, those are paired that use different resources, not the first two", () => {
  const jobs = [job("a", 2), job("b", 2), job("c", 0), job("d", 0)];
  const pairs = groups(decide(jobs, 2));
  assert.equal(pairs.length, 2);
  for (const pair of pairs) assert.match(pair, /^[ab]\+[cd]$/);
});

test("nobody shares while all have GPUs of their own", () => {
  assert.deepEqual(groups(decide([job("a", 0), job("b", 2)], 2)), ["a", "b"]);
});

test("jobs of different sizes do not share, nor those whose phases nobody knows", () => {
  assert.deepEqual(groups(decide([job("a", 0, 2), job("b", 2)], 2)), ["a"]);
  assert.deepEqual(groups(decide([jobView("a"), job("b", 2)], 1)), ["a"]);
});

test("a group that is slower than its jobs in turn is split, and the first of them runs", () => {
  // Both keep the GPU busy all the time; sharing was measured to cost a third.
  const same = (id: string): JobView => jobView(id, { phases: { storage: 0, cpu: 0, gpu: 1, network: 0 } });
  assert.deepEqual(groups(decide([same("a"), same("b")], 1)), ["a"]);
  assert.deepEqual(groups(decide([same("a"), same("b")], 1, { ...defaults, unpack: 0 })), ["a+b"]);
});

test("the order of scheduling decides who is a candidate", () => {
  const jobs = Array.from({ length: 6 }, (_, i) => job(`j${i}`, i % 4));
  const view = clusterView(jobs, nodeSpecs(1, 1), { arrived: jobs });
  const order = listed(() => jobs.toReversed());
  const decision = muri.create(defaults).share(view, { stop: [], start: [], order });
  assert.deepEqual(groups(decision), ["j2+j3+j4+j5"]);
  assert.equal(decision.order, order);
});
