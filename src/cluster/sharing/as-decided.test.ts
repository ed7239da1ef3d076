import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, nodeSpecs } from "../../test/cluster-view.ts";
import { sharings } from "../sharing.ts";

test("two jobs may share their GPUs, and nothing is added to what was decided", async () => {
  const shared = await sharings.create("as-decided");
  const decision = { stop: [], start: [{ job: "a" }, { job: "b", beside: "a" }] };
  assert.equal(shared.share(clusterView([], nodeSpecs(1, 1)), decision), decision);
  assert.equal(shared.jobsMax, 2);
});
