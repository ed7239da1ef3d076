import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { trainReport } from "./train-report.ts";

const step = (number: number, seconds: number) =>
  ({ kind: "step", step: number, seconds, metrics: { loss: 1 / number } }) as const;

test("metrics that cannot be written do not end a training, and are written once they can be", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-report-"));
  t.after(() => rmSync(folder, { recursive: true }));
  // A folder in the file's place, as a disk without room: writes fail.
  mkdirSync(join(folder, "metrics.jsonl"));
  const report = trainReport({ name: "x", folder, steps: 100, tokensPerStep: 8, live: true });
  report.observe(step(1, 0));
  report.observe(step(2, 5));
  rmSync(join(folder, "metrics.jsonl"), { recursive: true });
  report.observe({ kind: "evaluated", step: 2, losses: { heldOut: 0.25 } });
  report.end();
  const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { step: 1, seconds: 0, loss: 1 },
      { step: 2, seconds: 5, loss: 0.5 },
      { step: 2, heldOut: 0.25 },
    ],
  );
  assert.deepEqual(report.losses, { trained: 0.5, heldOut: 0.25 });
  assert.match(readFileSync(join(folder, "loss.svg"), "utf8"), /<polyline/);
});
