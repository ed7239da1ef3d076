/** The script that runs a job: a signal that comes while it begins ends it as surely as a later one. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../test/until.ts";
import { attemptScript, fileName } from "./attempt.ts";

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

test("on a full disk no run begins that could not be found, and no end is written that is none", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-attempt-"));
  // `echo` fails as it does where there is no room, after it has made its file, until there is.
  const full = `echo() { [ -e "$1/room" ] || [ -e ${folder}/room ] && command echo "$@"; }\n`;
  const words = (attempt: number, command: string) => ["heddle", folder, `${attempt}`, "sh", "-c", command];
  try {
    const unclaimed = spawnSync("sh", ["-c", full + attemptScript, ...words(0, `touch ${folder}/ran`)]);
    assert.deepEqual([unclaimed.status, existsSync(join(folder, "ran"))], [74, false]);
    assert.ok(!existsSync(join(folder, "claim-0")));
    writeFileSync(join(folder, "room"), "");
    const child = spawn("sh", ["-c", full + attemptScript, ...words(2, `rm ${folder}/room; exit 7`)]);
    const ended = once(child, "close");
    // The command has taken the room away; whoever writes its end finds none, now or later.
    await until(
      () => existsSync(join(folder, ".exit-2")),
      60,
      () => "file for the exit code",
    );
    assert.ok(existsSync(join(folder, "claim-2")) && !existsSync(join(folder, "exit-2")));
    writeFileSync(join(folder, "room"), "");
    await ended;
    assert.equal(readFileSync(join(folder, "exit-2"), "utf8"), "7\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a job's name as that of a file: unique, and never too long", () => {
  const names = ["a/b", "a%2fb", ".hidden", "x".repeat(300), `${"x".repeat(299)}y`, "/".repeat(100)].map(fileName);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.every((name) => name.length <= 200 && /^[\w%-][\w.%-]*$/.test(name)));
});
