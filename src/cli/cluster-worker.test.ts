import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(new URL("./cluster-worker.js", import.meta.url));

test("an attempt that finds all work done, and no record of it, makes the record; the next leaves it as it is", () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-worker-"));
  try {
    writeFileSync(join(folder, "checkpoint.json"), JSON.stringify({ units: 5, attempt: 0 }));
    for (const attempt of ["1", "2"]) {
      const env = { ...process.env, HEDDLE_FOLDER: folder, HEDDLE_ATTEMPT: attempt };
      assert.equal(spawnSync(process.execPath, [worker, "5", "1"], { env }).status, 0);
      assert.equal(readFileSync(join(folder, "done"), "utf8"), "1\n");
      const { began, ended } = JSON.parse(readFileSync(join(folder, `attempt-${attempt}.json`), "utf8"));
      assert.ok(began <= ended && ended <= Date.now() + 1, `${began} to ${ended}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
