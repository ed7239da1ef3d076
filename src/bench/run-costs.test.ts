import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { makeJobFolder } from "../cluster/launch/attempt.ts";
import type { LogLine } from "../cluster/log.ts";
import { costsOf } from "./run-costs.ts";

test("what launches and leaves took: from orders, what attempts wrote down, and news", () => {
  const state = mkdtempSync(join(tmpdir(), "heddle-costs-"));
  try {
    const folder = makeJobFolder(state, "a");
    writeFileSync(join(folder, "attempt-0.json"), JSON.stringify({ began: 1500, ended: 4250 }));
    writeFileSync(join(folder, "attempt-1.json"), JSON.stringify({ began: 5125, ended: 9000 }));
    const counts = { unplaced: [], reject: [], waiting: 0, free: 0 };
    const on = [{ node: 0, gpus: 1 }];
    const log: LogLine[] = [
      { at: 10, kind: "decided", stop: [], start: [{ job: "a", on, beside: [], later: false }], ...counts },
      { at: 40, kind: "decided", stop: ["a"], start: [{ job: "a", on, beside: [], later: true }], ...counts },
      { at: 45, kind: "event", event: { kind: "stopped", at: 45, job: "a", attempt: 0 } },
      { at: 45, kind: "launched", job: "a", attempt: 1 },
      { at: 95, kind: "event", event: { kind: "finished", at: 95, job: "a", attempt: 1 } },
    ];
    const costs = costsOf(log, state, (at) => at * 100);
    assert.deepEqual(costs, { launch: [0.5], resume: [0.625], hear: [0.25], stop: [0.5], end: [0.5] });
  } finally {
    rmSync(state, { recursive: true });
  }
});
