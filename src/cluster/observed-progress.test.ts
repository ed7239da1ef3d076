import assert from "node:assert/strict";
import { test } from "node:test";
import { measureCluster } from "../sim/rig/cluster.ts";
import { clusterView, jobView, nodeSpecs } from "../test/cluster-view.ts";
import type { JobView } from "./job.ts";
import { ObservedProgress } from "./observed-progress.ts";

const falls = 0.01;
const end = 1000;
const lossAt = (done: number): number => 1 / (falls * done + 0.2) + 0.5;
const slope = falls / (falls * end + 0.2) ** 2;

/** A job on two GPUs that does `rate` units a second, and says that it needs ten times as many as it does. */
const job = (now: number, rate: number): JobView =>
  jobView(
    "a",
    { gpus: 2 },
    {
      ...{ state: "running", startedAt: 0, places: [{ node: 0, gpus: 2 }] },
      outlook: {
        ...{ done: rate * now, total: 10 * end, gpusMax: 8 },
        rate: (gpus) => gpus,
        loss: { value: lossAt(rate * now), slope },
      },
    },
  );

test("the end is foretold from losses, not from what the job says; the speed from what was seen", () => {
  const observed = new ObservedProgress(1);
  for (let now = 0; now <= 300; now += 10) {
    const seen = job(now, 1);
    observed.see(clusterView([seen], nodeSpecs(2, 4), { now }));
  }
  const left = observed.remaining(job(300, 1));
  // One GPU alone was tried, at one unit a second; two do no more, so that more GPUs gain nothing.
  assert.ok(Math.abs(left(2) / 700 - 1) < 0.05, `${left(2)} s`);
  assert.ok(left(4) >= 0.9 * left(2), `${left(4)} s`);
});

test("of a job that has told nothing, the work is that of the others", () => {
  const observed = new ObservedProgress(4);
  const fresh = jobView("b", { gpus: 1 }, { outlook: { done: 0, total: 5, gpusMax: 8, rate: (gpus) => 2 * gpus } });
  for (let now = 0; now <= 500; now += 10) {
    const seen = job(now, 1);
    observed.see(clusterView([seen, fresh], nodeSpecs(2, 4), { now, arrived: now === 0 ? [fresh] : [] }));
  }
  assert.ok(Math.abs(observed.remaining(fresh)(1) / (end / 2) - 1) < 0.05, `${observed.remaining(fresh)(1)} s`);
});

test("Optimus without an oracle is within 5 % of Optimus with one", async () => {
  const oracle = await measureCluster("optimus", "philly-like");
  const fitted = await measureCluster("optimus", "philly-like", { fitted: 1 });
  const nothing = await measureCluster("requested", "philly-like");
  const [known, seen, asked] = [oracle, fitted, nothing].map(({ averageJct }) => averageJct!);
  assert.ok(Math.abs(seen! / known! - 1) < 0.05, `${seen} s against ${known} s`);
  assert.ok(asked! / seen! > 1.4, `${seen} s against ${asked} s`);
});
