import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import las2d from "./las-2d.ts";

test("who has had the fewest GPU-seconds runs, not who has run the shortest", () => {
  const a = jobView("a", { gpus: 2 }, { places: [{ node: 0, gpus: 2 }], ran: 40, service: 80 });
  const b = jobView("b", { gpus: 1 }, { ran: 60, service: 60 });
  const { stop, start, order } = las2d.create({}).decide(clusterView([a, b], nodeSpecs(1, 2), { arrived: [b] }));
  assert.deepEqual(
    Array.from(order!, ({ spec }) => spec.id),
    ["b", "a"],
  );
  assert.deepEqual(stop, ["a"]);
  assert.deepEqual(start, [{ job: "b", on: [{ node: 0, gpus: 1 }] }]);
});
