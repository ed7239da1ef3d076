/** `heddle cluster run` as a process that is killed, told to stop, and begun again. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { stream } from "../core/random.ts";
import { runHeddle, startHeddle } from "../test/heddle-process.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-cluster-cli-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Job {
  readonly id: string;
  readonly submit: number;
  readonly gpus: number;
  readonly duration?: number;
  readonly command?: readonly string[];
}

function traceOf(name: string, jobs: readonly Job[]): string {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, jobs.map((job) => `${JSON.stringify(job)}\n`).join(""));
  return path;
}

const jsonLines = (path: string) =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("200 jobs, 20 kills of the scheduler at random moments: every job finishes, and none runs twice", async (t) => {
  const seed = Date.now() % 1e6;
  t.diagnostic(`seed ${seed}`);
  const random = stream(seed);
  // Most are shell scripts, which cost a test less than workers.
  const jobs = Array.from({ length: 200 }, (_, i) => ({
    ...{ id: `job-${i}`, submit: i, gpus: 2 ** Math.floor(random() * 4), duration: 5 + 15 * random() },
    ...(i % 10 !== 0 && {
      command: ["sh", "-c", `sleep ${0.2 + random()} && echo "$HEDDLE_ATTEMPT" >> "$HEDDLE_FOLDER/done"`],
    }),
  }));
  const state = join(folder, "killed");
  const words = ["cluster", "run", traceOf("kills", jobs), "--nodes", "4x8", "--time-scale", "20", "--state", state];
  const lengths = new Set<number>();
  const length = (): number => statSync(join(state, "journal.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
  for (let kill = 0; kill < 20; kill++) {
    const before = length();
    const scheduler = startHeddle(words);
    // Most of them while it works, a few while it begins.
    if (kill % 5 > 0) while (length() === before) await new Promise((wake) => setTimeout(wake, 5));
    await new Promise((wake) => setTimeout(wake, 400 * random()));
    lengths.add(length());
    scheduler.child.kill("SIGKILL");
    const { signal, stderr } = await scheduler.ended;
    assert.equal(signal, "SIGKILL", stderr);
    assert.ok(!stderr.includes("otherwise"), stderr);
  }
  assert.ok(lengths.size >= 15, `it was killed at ${lengths.size} different lengths of its journal`);
  const { code, stdout, stderr } = await runHeddle([...words, "--json"]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /going on after \d+ lines/);
  assert.equal(JSON.parse(stdout).finished, 200);
  for (const { id } of jobs) {
    const files = readdirSync(join(state, "jobs", id));
    assert.equal(readFileSync(join(state, "jobs", id, "done"), "utf8"), "0\n", `${id}: ${files}`);
    assert.ok(!files.includes("overlap"), id);
    // With no job preempted and none failed, one attempt did all of the work.
    assert.deepEqual(
      files.filter((name) => name.startsWith("claim-")),
      ["claim-0"],
    );
  }
  const log = jsonLines(join(state, "log.jsonl"));
  const finished = log.filter(({ event }) => event?.kind === "finished").map(({ event }) => event.job);
  assert.deepEqual([finished.length, new Set(finished).size], [200, 200]);
});
