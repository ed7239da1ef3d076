import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { scalings } from "../scaling.ts";

test("nobody's size is changed, however much room there is", async () => {
  const requested = await scalings.create("requested");
  const job = jobView("a", { gpus: 1, range: { min: 1, max: 8 } });
  assert.equal(requested.sizes(clusterView([job], nodeSpecs(1, 8))).size, 0);
});
