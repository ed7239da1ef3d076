/** `heddle cluster run` as a process that is killed, told to stop, and begun again. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { stream } from "../core/random.ts";
import { runHeddle, startHeddle } from "../test/heddle-process.ts";
import { aloneOnSlurm, slurmOrSkip } from "../test/slurm.ts";
import { until } from "../test/until.ts";

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
  const told = (kill: number): string => join(folder, `told-${kill}`);
  // Most are shell scripts, which cost a test less than workers. Ten at a time may end: however slow this machine is, each
  // scheduler has something to write down before it is killed, and none comes to the end of all jobs.
  const jobs = Array.from({ length: 200 }, (_, i) => {
    const wait = `until test -e "${told(Math.floor(i / 10))}"; do sleep 0.2; done; sleep ${random() / 2}`;
    return {
      ...{ id: `job-${i}`, submit: i, gpus: 2 ** Math.floor(random() * 4), duration: 5 + 15 * random() },
      ...(i % 10 !== 0 && { command: ["sh", "-c", `${wait}; echo "$HEDDLE_ATTEMPT" >> "$HEDDLE_FOLDER/done"`] }),
    };
  });
  const state = join(folder, "killed");
  const words = ["cluster", "run", traceOf("kills", jobs), "--nodes", "4x8", "--time-scale", "20", "--state", state];
  const lengths = new Set<number>();
  const length = (): number => statSync(join(state, "journal.jsonl"), { throwIfNoEntry: false })?.size ?? 0;
  for (let kill = 0; kill < 20; kill++) {
    const before = length();
    writeFileSync(told(kill), "");
    const scheduler = startHeddle(words);
    // Most of them while it works, a few while it begins.
    if (kill % 5 > 0) while (length() <= before) await new Promise((wake) => setTimeout(wake, 5));
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

test("a run that is over has a page of who ran when, and its folder tells why a job waited", async () => {
  const trace = traceOf("told", [
    { id: "long", submit: 0, gpus: 2, duration: 2 },
    { id: "behind", submit: 0.1, gpus: 1, duration: 1 },
  ]);
  const [state, page] = [join(folder, "told"), join(folder, "told.html")];
  const ran = await runHeddle(["cluster", "run", trace, "--nodes", "1x2", "--state", state, "--report", page]);
  assert.equal(ran.code, 0, ran.stderr);
  const html = readFileSync(page, "utf8");
  assert.match(html, /run on local/);
  assert.doesNotMatch(html, /(src|href)="https?:/);
  const why = await runHeddle(["cluster", "why", "behind", state, "--json"]);
  assert.equal(why.code, 0, why.stderr);
  const { policy, spells, rivals } = JSON.parse(why.stdout);
  assert.equal(policy, "fifo");
  assert.ok(spells.some((spell: { reason: string }) => spell.reason === "full"));
  assert.equal(rivals[0].id, "long");
});

test("Ctrl-C has a training save and leave; the same command goes on from there to the model", async () => {
  const recipe = {
    ...{ name: "weaver", data: { text: "loom.txt", heldOut: 0.1 }, tokenizer: { vocabulary: 272 } },
    model: { layers: 1, width: 32, heads: 2, context: 16 },
    ...{ checkpoints: { every: 1000 }, output: { type: "F32" } },
  };
  const training = { batch: 4, learningRate: 1e-2, warmup: 3 };
  const writeRecipe = (steps: number): void =>
    writeFileSync(join(folder, "weaver.json"), JSON.stringify({ ...recipe, training: { ...training, steps } }));
  writeFileSync(
    join(folder, "loom.txt"),
    "the weft goes over the warp and under the warp, over and under. ".repeat(60),
  );
  // More than it could take before it is told to stop.
  writeRecipe(1e7);
  const trace = traceOf("train", [
    { id: "weaver", submit: 0, gpus: 1, command: ["heddle", "train", "weaver.json", "--threads", "1"] },
  ]);
  const state = join(folder, "trained");
  const words = ["cluster", "run", trace, "--nodes", "2x1", "--state", state];
  const scheduler = startHeddle(words);
  const out = join(state, "jobs", "weaver", "out");
  await until(
    () => existsSync(join(state, "jobs", "weaver", "attempt-0.log")) && /^step 1 of/m.test(logOf(state, 0)),
    60,
    () => "step of the training",
  );
  scheduler.child.kill("SIGINT");
  const { code, stderr } = await scheduler.ended;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /Running jobs are asked to save and leave/);
  const step = Number(/Stopped after step (\d+) of 10000000/.exec(logOf(state, 0))?.[1]);
  assert.ok(step > 0, logOf(state, 0));
  writeRecipe(step + 2);
  const again = await runHeddle(words);
  assert.equal(again.code, 0, again.stderr);
  assert.match(logOf(state, 1), new RegExp(`going on after step ${step}\n`));
  assert.ok(existsSync(join(out, "weaver.gguf")));
  assert.match(again.stdout, /1 of 1 jobs finished/);
});

const logOf = (state: string, attempt: number): string =>
  readFileSync(join(state, "jobs", "weaver", `attempt-${attempt}.log`), "utf8");

test("jobs that are left run on, and end while nobody schedules; two schedulers do not share a folder", async () => {
  const trace = traceOf("left", [
    {
      ...{ id: "a", submit: 0, gpus: 1 },
      command: ["sh", "-c", "cd $HEDDLE_FOLDER; until test -e told; do sleep 0.1; done; echo >> done"],
    },
  ]);
  const state = join(folder, "left");
  const words = ["cluster", "run", trace, "--nodes", "1x1", "--state", state, "--at-stop", "leave"];
  const scheduler = startHeddle(words);
  const has = (name: string) => () => existsSync(join(state, "jobs", "a", name));
  await until(has("claim-0"), 60, () => "claim");
  const second = await runHeddle(words);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /Another scheduler is at work in .*left\.\n {2}End it first/);
  scheduler.child.kill("SIGTERM");
  const { code, stderr } = await scheduler.ended;
  assert.equal(code, 143, stderr);
  writeFileSync(join(state, "jobs", "a", "told"), "");
  await until(has("exit-0"), 60, () => "end of the job");
  const other = await runHeddle([...words, "--policy", "las"]);
  assert.match(other.stderr, /was begun with slots .*fifo.*, and .*las.* is asked for/);
  const again = await runHeddle(words);
  assert.equal(again.code, 0, again.stderr);
  assert.equal(readFileSync(join(state, "jobs", "a", "done"), "utf8"), "\n");
});

test("what cannot be run is said before anything runs", async () => {
  const trace = traceOf("bad", [{ id: "a", submit: 0, gpus: 1 }]);
  const state = ["--state", join(folder, "bad")];
  const said = async (...words: readonly string[]): Promise<string> => {
    const { code, stderr } = await runHeddle(["cluster", "run", ...words], { SLURM_CONF: "/nonexistent" });
    assert.equal(code, 1, stderr);
    return stderr;
  };
  assert.match(await said(trace, "--nodes", "1x1", ...state), /Job a of .* has no duration and no command/);
  const fine = traceOf("fine", [{ id: "a", submit: 0, gpus: 1, duration: 1 }]);
  assert.match(await said(fine, ...state), /A local cluster needs its nodes/);
  assert.match(
    await said(fine, "--on", "slurm", ...state),
    /There is no Slurm here|Slurm does not answer|SLURM_CONF|sinfo/,
  );
  assert.match(await said(fine, "--set", "graceSeconds=soon", "--nodes", "1x1", ...state), /graceSeconds is "soon"/);
});

test("on Slurm: 20 jobs, 5 kills of the scheduler; every job finishes once", slurmOrSkip, async () => {
  const jobs = Array.from({ length: 20 }, (_, i) => ({
    id: `job-${i}`,
    submit: 3 * i,
    gpus: 1 + (i % 4),
    duration: 20,
  }));
  const state = join(folder, "slurm");
  const words = ["cluster", "run", traceOf("slurm", jobs), "--on", "slurm", "--nodes", "n0,n1", "--time-scale", "20"];
  words.push("--policy", "srtf", "--set", "pollSeconds=0.2", "--state", state);
  await aloneOnSlurm(async () => {
    for (let kill = 0; kill < 5; kill++) {
      const scheduler = startHeddle(words);
      await new Promise((wake) => setTimeout(wake, 700 + 300 * kill));
      scheduler.child.kill("SIGKILL");
      await scheduler.ended;
    }
    const { code, stdout, stderr } = await runHeddle([...words, "--json"]);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).finished, 20);
  });
  for (const { id } of jobs) {
    const files = readdirSync(join(state, "jobs", id));
    assert.ok(files.includes("done") && !files.includes("overlap"), `${id}: ${files}`);
  }
});
