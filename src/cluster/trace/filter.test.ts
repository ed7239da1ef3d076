import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobSpec } from "../job.ts";
import { jobFilter } from "./filter.ts";

const job: JobSpec = { id: "a", submit: 60, gpus: 4, tenant: "vc1", model: "bert-large", priority: 0, weight: 1 };

test("comparisons of texts and of numbers, all of which must hold", () => {
  const holds = (text: string): boolean => jobFilter(text)(job);
  assert.deepEqual(
    ["tenant=vc1", "tenant!=vc1", "model~bert", "gpus>=4,submit<61", "gpus>=4, submit<60", "gpus!=4"].map(holds),
    [true, false, true, true, false, false],
  );
  // Nobody knows its duration: no comparison holds.
  assert.deepEqual(["duration>0", "duration<=0"].map(holds), [false, false]);
});

test("what is no filter is said", () => {
  assert.throws(() => jobFilter("gpus"), { name: "UserError", message: /--filter gpus: it is no comparison/ });
  assert.throws(() => jobFilter("size>1"), /jobs have no "size"/);
  assert.throws(() => jobFilter("gpus>many"), /compared with a number/);
  assert.throws(() => jobFilter("tenant>vc"), /a text is compared with/);
});
