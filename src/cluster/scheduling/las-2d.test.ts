import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import las2d from "./las-2d.ts";

test("who has had the fewest GPU-seconds runs, not who has run the shortest", () => {
  const a = jobView("a", { gpus: 2 }, { places: [{ node: 0, gpus: 2 }], ran: 40, service: 80 });
  const b = jobView("b", { gpus: 1 }, { ran: 60, service: 60 });
  const { stop, start, order } = las2d
    .create({ keep: 0 })
    .decide(clusterView([a, b], nodeSpecs(1, 2), { arrived: [b] }));
  assert.deepEqual(
    Array.from(order!, ({ spec }) => spec.id),
    ["b", "a"],
  );
  assert.deepEqual(stop, ["a"]);
  assert.deepEqual(start, [{ job: "b", on: [{ node: 0, gpus: 1 }] }]);
});

test("equals: those that run come first; or, as with Muri in its simulator, the widest, as they stood", () => {
  const first = jobView("first");
  const wide = jobView("wide", { gpus: 2 });
  const runs = jobView("runs", { submit: 1 }, { places: [{ node: 0, gpus: 1 }] });
  const orders = (keep: number) => {
    const policy = las2d.create({ keep });
    return [[first, wide], []].map((arrived) => {
      const { order } = policy.decide(clusterView([first, wide, runs], nodeSpecs(1, 2), { arrived }));
      return Array.from(order!, ({ spec }) => spec.id);
    });
  };
  const asTheyRun = ["runs", "first", "wide"];
  assert.deepEqual(orders(0), [asTheyRun, asTheyRun]);
  assert.deepEqual(orders(1), [
    ["first", "wide", "runs"],
    ["wide", "first", "runs"],
  ]);
});
