import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { sharings } from "../sharing.ts";

test("the decision stays as it is, though a job waits that could share", async () => {
  const exclusive = await sharings.create("exclusive");
  const decision = { stop: [], start: [{ job: "a" }] };
  const view = clusterView([jobView("a"), jobView("b")], nodeSpecs(1, 1));
  assert.equal(exclusive.share(view, decision), decision);
  assert.equal(exclusive.jobsMax, 1);
});
