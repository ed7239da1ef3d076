import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("a job that does not fit holds back those that came after it", async () => {
  const fifo = await schedulings.create("fifo");
  const jobs = [jobView("a", { gpus: 2 }), jobView("b", { gpus: 4 }), jobView("c", { gpus: 1 })];
  const { start, stop } = fifo.decide(clusterView(jobs, nodeSpecs(1, 4)));
  assert.deepEqual([start, stop], [[{ job: "a" }], []]);
});
