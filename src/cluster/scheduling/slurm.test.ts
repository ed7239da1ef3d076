import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobView } from "../job.ts";
import { schedulings } from "../scheduling.ts";

const nodes = nodeSpecs(1, 4);
const ids = (start: readonly { readonly job: string }[]) => start.map(({ job }) => job);

test("a later job passes the first that waits if it ends before that could start, or leaves its GPUs", async () => {
  const running = jobView("running", { gpus: 2, duration: 100 });
  const wide = jobView("wide", { gpus: 3, duration: 50 });
  const after = async (gpus: number, duration: number): Promise<string[]> => {
    const slurm = await schedulings.create("slurm");
    const mine: JobView = { ...running };
    slurm.decide(clusterView([mine], nodes, { arrived: [mine] }));
    Object.assign(mine, { places: [{ node: 0, gpus: 2 }], state: "running" });
    const job = jobView("small", { gpus, duration });
    return ids(slurm.decide(clusterView([mine, wide, job], nodes, { now: 10, arrived: [wide, job] })).start);
  };
  // `wide` can start at 100, when one GPU is left over.
  assert.deepEqual(await after(2, 90), ["small"]);
  assert.deepEqual(await after(2, 91), []);
  assert.deepEqual(await after(1, 1000), ["small"]);
});

test("tiers come before all, then what the weights say, then submission", async () => {
  const jobs = [
    jobView("first", { tenant: "heavy", submit: 0 }),
    jobView("second", { tenant: "light", submit: 1 }),
    jobView("wide", { tenant: "heavy", submit: 2, gpus: 2 }),
    jobView("tier", { tenant: "heavy", submit: 3, priority: 1 }),
  ];
  const order = async (options = {}) => {
    const slurm = await schedulings.create("slurm", options);
    return ids(slurm.decide(clusterView(jobs, nodeSpecs(1, 8), { now: 9, arrived: jobs })).start);
  };
  assert.deepEqual(await order(), ["tier", "first", "second", "wide"]);
  assert.deepEqual(await order({ size: 100 }), ["tier", "wide", "first", "second"]);
  const slurm = await schedulings.create("slurm", { fairshare: 100 });
  const heavy = jobView("ran", { tenant: "heavy" }, { places: [{ node: 0, gpus: 1 }] });
  slurm.decide(clusterView([heavy], nodeSpecs(1, 8)));
  const view = clusterView([heavy, ...jobs], nodeSpecs(1, 8), { now: 100, arrived: jobs });
  assert.deepEqual(ids(slurm.decide(view).start), ["tier", "second", "first", "wide"]);
});
