import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobView } from "../job.ts";
import srsf from "./srsf.ts";

const a = jobView("a", { gpus: 2, duration: 100 }, { places: [{ node: 0, gpus: 2 }], ran: 20 });
const b = jobView("b", { gpus: 2, duration: 70 });
const c = jobView("c", { gpus: 1, duration: 150 });

test("who has the fewest GPU-seconds left runs, and a running job stops for it", () => {
  const { stop, start, order } = srsf
    .create({ gpus: 1, submitted: 0, keep: 0 })
    .decide(clusterView([a, b, c], nodeSpecs(1, 3), { arrived: [b, c] }));
  assert.deepEqual(
    Array.from(order!, ({ spec }) => spec.id),
    ["b", "c", "a"],
  );
  assert.deepEqual(stop, ["a"]);
  assert.deepEqual(
    start.map(({ job }) => job),
    ["b", "c"],
  );
});

test("by time alone, the job of one GPU comes last", () => {
  const { order } = srsf
    .create({ gpus: 0, submitted: 0, keep: 0 })
    .decide(clusterView([a, b, c], nodeSpecs(1, 3), { arrived: [b, c] }));
  assert.deepEqual(
    Array.from(order!, ({ spec }) => spec.id),
    ["b", "a", "c"],
  );
});

/** Of jobs that have just arrived, first first. */
function orderOf(arrived: readonly JobView[], submitted: number): readonly string[] {
  const view = clusterView(arrived, nodeSpecs(1, 3), { arrived });
  return Array.from(srsf.create({ gpus: 1, submitted, keep: 0 }).decide(view).order!, ({ spec }) => spec.id);
}

test("as with Muri in its simulator, a job that has not run ranks by what it was submitted with, others by their outlook", () => {
  const outlook = { done: 0, total: 100, rate: () => 0.5 };
  const fresh = jobView("fresh", { duration: 100 }, { outlook });
  const known = jobView("known", { duration: 100 }, { startedAt: 0, outlook: { ...outlook, done: 30 } });
  assert.deepEqual(orderOf([known, fresh], 0), ["known", "fresh"]);
  assert.deepEqual(orderOf([known, fresh], 1), ["fresh", "known"]);
});

test("what a job was submitted with is its user's estimate, where there is one", () => {
  const short = jobView("short", { duration: 100, estimate: 300 });
  const long = jobView("long", { duration: 200 });
  assert.deepEqual(orderOf([short, long], 0), ["short", "long"]);
  assert.deepEqual(orderOf([short, long], 1), ["long", "short"]);
});

test("equals stand as they stood, or the widest of them first", () => {
  const narrow = jobView("narrow", { gpus: 1, duration: 200 });
  const wide = jobView("wide", { gpus: 2, duration: 100 });
  const runs = jobView("runs", { gpus: 1, duration: 250, submit: 1 }, { places: [{ node: 0, gpus: 1 }], ran: 50 });
  const orders = (keep: number) => {
    const policy = srsf.create({ gpus: 1, submitted: 0, keep });
    return [[narrow, wide], []].map((arrived) => {
      const { order } = policy.decide(clusterView([narrow, wide, runs], nodeSpecs(1, 2), { arrived }));
      return Array.from(order!, ({ spec }) => spec.id);
    });
  };
  const asTheyCame = ["narrow", "wide", "runs"];
  assert.deepEqual(orders(0)[0], ["runs", "narrow", "wide"]);
  assert.deepEqual(orders(1), [asTheyCame, asTheyCame]);
  assert.deepEqual(orders(2), [asTheyCame, ["wide", "narrow", "runs"]]);
});
