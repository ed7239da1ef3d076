import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readHistory } from "./history.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-history-"));
after(() => rmSync(place, { recursive: true, force: true }));

const file = (text: string): string => {
  const path = join(place, "history.csv");
  writeFileSync(path, text);
  return path;
};

test("an older trace is a column of GPU-seconds, or jobs of any format", async () => {
  assert.deepEqual(await readHistory(file("duration\n121\n122\n")), [121, 122]);
  assert.deepEqual(await readHistory(file("3\r\n0.5")), [3, 0.5]);
  const jobs = "job_id,submission_time,duration,num_gpu\na,0,100,1\nb,10,50,2\nc,20,7,4\n";
  assert.deepEqual(await readHistory(file(jobs)), [100, 100, 28]);
});

test("a file that is neither is said to be no trace", async () => {
  await assert.rejects(readHistory(file("duration\n121\nlong\n")), { name: "UserError" });
  await assert.rejects(readHistory(join(place, "none.csv")), { name: "UserError" });
});
