/** Nobody loads a solver here: what is decided without one is decided without a program. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../../test/cluster-view.ts";
import shockwave from "../shockwave.ts";

const values = { window: 20, round: 120, tail: 1e-3, power: 12, late: 1, again: 8, gap: 1e-3, nodes: 20 };

test("where all jobs fit, all run, and no program is solved; where they do not, one is", () => {
  const jobs = [1, 2, 1].map((gpus, i) => jobView(`j${i}`, { gpus, duration: 1000 }));
  const decide = (gpus: number) =>
    shockwave.create(values).decide(clusterView(jobs, nodeSpecs(1, gpus), { arrived: jobs }));
  assert.deepEqual(
    decide(4)
      .start.map(({ job }) => job)
      .sort(),
    ["j0", "j1", "j2"],
  );
  assert.throws(() => decide(3));
});
