import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../test/cluster-view.ts";
import type { Offered } from "./decision.ts";
import type { JobView } from "./job.ts";
import { Offers } from "./offers.ts";

/** Offers everything, and answers as `outcome` says. */
function offered(jobs: readonly JobView[], outcome: (id: string) => Offered): string[] {
  const offers = new Offers(({ spec }) => -spec.priority);
  offers.sync(clusterView(jobs, nodeSpecs(1, 8), { arrived: jobs }));
  const next = offers.begin();
  const ids: string[] = [];
  let last: Offered | undefined;
  for (let start = next(last); start !== undefined; start = next(last)) {
    ids.push(start.job);
    last = outcome(start.job);
  }
  return ids;
}

const jobs = [
  jobView("a", { gpus: 4 }),
  jobView("b", { gpus: 4, submit: 1 }),
  jobView("c", { gpus: 2, submit: 2 }),
  jobView("d", { gpus: 4, submit: 3 }),
  jobView("first", { gpus: 4, submit: 4, priority: 1 }),
];

test("all are offered by rank while they are placed", () => {
  assert.deepEqual(
    offered(jobs, () => "placed"),
    ["first", "a", "b", "c", "d"],
  );
});

test("who is like a job that found no place is passed over", () => {
  assert.deepEqual(
    offered(jobs, (id) => (id === "a" ? "unplaced" : "placed")),
    ["first", "a", "c"],
  );
});

test("when somebody had to leave, those that come later are offered again", () => {
  const outcome = (id: string): Offered => (id === "a" ? "unplaced" : id === "c" ? "evicted" : "placed");
  assert.deepEqual(offered(jobs, outcome), ["first", "a", "c", "d"]);
});
