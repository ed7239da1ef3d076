/** The script that runs a job: a signal that comes while it begins ends it as surely as a later one. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { attemptScript } from "./attempt.ts";

const seconds = 60;

/** Seconds from SIGTERM, `after` milliseconds from the start, until the script has ended. */
async function endsIn(folder: string, attempt: number, after: number, alone: boolean): Promise<number> {
  const environment = alone ? { HEDDLE_HAND_ON: "1" } : {};
  const words = ["-c", attemptScript, "heddle", folder, `${attempt}`, "sleep", `${seconds}`];
  const child = spawn("sh", words, { detached: true, stdio: "ignore", env: { ...process.env, ...environment } });
  await new Promise((wake) => setTimeout(wake, after));
  const asked = performance.now();
  const ended = once(child, "close");
  process.kill(alone ? child.pid! : -child.pid!, "SIGTERM");
  await ended;
  return (performance.now() - asked) / 1e3;
}

for (const alone of [true, false]) {
  test(`SIGTERM to ${alone ? "the shell alone" : "its group"} reaches the command, however early it comes`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "heddle-attempt-"));
    try {
      for (let i = 0; i < 48; i += 8) {
        // Attempts of jobs of their own: none waits for another's end.
        const ends = Array.from({ length: 8 }, (_, j) => endsIn(folder, 2 * (i + j), (i + j) / 1.6, alone));
        assert.ok((await Promise.all(ends)).every((end) => end < seconds / 2));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("an attempt that finds that the last one has done the job does nothing, and says that it is done", () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-attempt-"));
  const ran = (attempt: number): boolean => {
    const file = join(folder, `ran-${attempt}`);
    assert.equal(spawnSync("sh", ["-c", attemptScript, "heddle", folder, `${attempt}`, "touch", file]).status, 0);
    assert.equal(readFileSync(join(folder, `exit-${attempt}`), "utf8"), "0\n");
    return existsSync(file);
  };
  try {
    assert.deepEqual([ran(0), ran(1)], [true, false]);
    writeFileSync(join(folder, "exit-4"), "143\n");
    assert.equal(ran(5), true, "the last one was told to leave");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
