import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadTrace } from "./load.ts";

test("a job in Heddle's own words has defaults for what it does not say; a bad line is named", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-trace-"));
  try {
    const path = join(folder, "jobs.jsonl");
    const lines = [
      '{"id": "a", "gpus": 2, "duration": 600}',
      '{"id": "b", "gpus": 1, "gpu": 1}',
      "{",
      "",
      '{"id": "c", "submit": 5, "gpus": 0, "command": ["true"]}',
    ];
    writeFileSync(path, `${lines.join("\n")}\n`);
    const { format, jobs, problems } = await loadTrace(path);
    const plain = { tenant: "default", priority: 0, weight: 1 };
    assert.equal(format, "heddle");
    assert.deepEqual(jobs, [
      { id: "a", submit: 0, gpus: 2, duration: 600, ...plain },
      { id: "c", submit: 5, gpus: 0, command: ["true"], ...plain },
    ]);
    assert.deepEqual(
      problems.map(({ line }) => line),
      [2, 3],
    );
    assert.match(problems[0]!.reason, /"gpu"/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a table of jobs is checked as their lines are; one with a column that nobody knows is not taken for it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-trace-"));
  try {
    const path = join(folder, "jobs.csv");
    writeFileSync(path, "id,gpus,duration\na,2,600\nb,1.5,10\nc,x,10\n,1,10\nd,1,0\n");
    const { format, jobs, problems } = await loadTrace(path);
    assert.equal(format, "heddle-table");
    assert.deepEqual(
      jobs.map(({ id }) => id),
      ["a"],
    );
    assert.deepEqual(
      problems.map(({ line }) => line),
      [3, 4, 5, 6],
    );
    assert.match(problems[0]!.reason, /gpus/);
    writeFileSync(path, "id,gpus,durration\na,2,600\n");
    await assert.rejects(loadTrace(path), /heddle-table/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
