import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import earliestDeadline from "./earliest-deadline.ts";

test("who is due first gets all it can use, others what is left", () => {
  const job = (id: string, deadline: number) => jobView(id, { deadline, range: { min: 1, max: 4 } });
  const [a, b, c] = [job("a", 300), job("b", 100), job("c", 200)];
  const sizes = earliestDeadline.create({}).sizes(clusterView([a, b, c], nodeSpecs(2, 3)));
  assert.deepEqual(
    ["a", "b", "c"].map((id) => sizes.get(id)?.gpus),
    [undefined, 4, 2],
  );
});
