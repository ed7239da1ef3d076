import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("round after round, the job that has had least runs", async () => {
  const fair = await schedulings.create("gandiva-fair");
  const nodes = nodeSpecs(1, 1);
  let jobs = ["a", "b", "c"].map((id) => jobView(id));
  const ran: string[] = [];
  for (let round = 0; round < 6; round++) {
    const view = clusterView(jobs, nodes, { now: round * 360, arrived: round === 0 ? jobs : [], round: 360 });
    const { start, stop } = fair.decide(view);
    const next = start[0]!.job;
    ran.push(next);
    assert.deepEqual(stop, ran.slice(0, -1).slice(-1));
    jobs = jobs.map((job) =>
      job.spec.id === next ? { ...job, ran: job.ran + 360, places: [{ node: 0, gpus: 1 }] } : { ...job, places: [] },
    );
  }
  assert.deepEqual(ran, ["a", "b", "c", "a", "b", "c"]);
});
