import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import srsf from "./srsf.ts";

const a = jobView("a", { gpus: 2, duration: 100 }, { places: [{ node: 0, gpus: 2 }], ran: 20 });
const b = jobView("b", { gpus: 2, duration: 70 });
const c = jobView("c", { gpus: 1, duration: 150 });

test("who has the fewest GPU-seconds left runs, and a running job stops for it", () => {
  const { stop, start, order } = srsf
    .create({ gpus: 1 })
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
  const { order } = srsf.create({ gpus: 0 }).decide(clusterView([a, b, c], nodeSpecs(1, 3), { arrived: [b, c] }));
  assert.deepEqual(
    Array.from(order!, ({ spec }) => spec.id),
    ["b", "a", "c"],
  );
});
