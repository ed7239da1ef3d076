/** Real processes: begun as a gang, stopped with a checkpoint, resumed elsewhere, killed, adopted; none twice. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { ClusterFolder, jobOf, nodesOf, runOf } from "../../test/cluster-folder.ts";
import { until } from "../../test/until.ts";
import { attemptScript, makeJobFolder, readClaim } from "./attempt.ts";
import { type LocalCluster, open } from "./local.ts";

async function withFolder(body: (folder: ClusterFolder) => Promise<void>, options = {}): Promise<void> {
  const folder = new ClusterFolder(open, nodesOf(2, 4), options);
  try {
    await body(folder);
  } finally {
    await folder.remove();
  }
}

test("a job that is stopped goes on from its checkpoint on another node, and finishes once", () =>
  withFolder(async (folder) => {
    const cluster = await folder.cluster();
    const job = jobOf("a/b: c", 600);
    cluster.start(runOf(job));
    await folder.heard("started a/b: c/0");
    await folder.works(job.id);
    await new Promise((wake) => setTimeout(wake, 400));
    cluster.stop(job.id, 0);
    await folder.heard("stopped a/b: c/0");
    const saved = folder.units(job.id);
    assert.ok(saved > 0.39, `${saved} s of work were saved`);
    const [rest, resumed] = [0.5, performance.now()];
    cluster.start(runOf({ ...job, duration: saved + rest }, 1, [{ node: 1, gpus: 1 }]));
    await folder.heard("finished a/b: c/1");
    assert.ok((performance.now() - resumed) / 1e3 >= rest, "it did not do the rest of its work");
    assert.equal(folder.read(job.id, "done"), "1\n");
    assert.equal(folder.read(job.id, "overlap"), undefined);
    assert.deepEqual(
      folder.reports,
      ["started", "stopped"].map((k) => `${k} a/b: c/0`).concat(["started a/b: c/1", "finished a/b: c/1"]),
    );
    await cluster.close("leave");
  }));

test("an attempt that is begun twice runs once", () =>
  withFolder(async (folder) => {
    const job = makeJobFolder(folder.path, "twice");
    const begin = () =>
      spawnSync("sh", ["-c", attemptScript, "heddle", job, "0", "sh", "-c", "echo ran >> ran"], { cwd: job });
    assert.deepEqual([begin().status, begin().status], [0, 75]);
    assert.equal(folder.read("twice", "ran"), "ran\n");
  }));

test("a scheduler that comes after another finds what runs, what ended, and begins what it finds not", () =>
  withFolder(async (folder) => {
    const first = await folder.cluster();
    const [long, short, never] = [jobOf("long", 60), jobOf("short", 0.1), jobOf("never", 0.1)];
    first.start(runOf(long));
    first.start(runOf(short));
    first.start(runOf(jobOf("stray", 60)));
    for (const id of ["long", "short", "stray"]) await folder.heard(`started ${id}/0`);
    await folder.works("long");
    // As if it were killed: it watches no longer, and tells nobody.
    await first.close("leave");
    const [pid, stray] = ["long", "stray"].map((id) => readClaim(makeJobFolder(folder.path, id), 0)!.pid);
    folder.reports.length = 0;
    const beliefs = [long, short, never].map((job) => ({ run: runOf(job), stopping: job === long }));
    const second = await folder.cluster(beliefs);
    for (const report of ["stopped long/0", "finished short/0", "finished never/0"]) await folder.heard(report);
    assert.ok(folder.units("long") > 0, "it saved nothing");
    for (const id of [pid!, stray!]) {
      await until(
        () => !existsSync(`/proc/${id}`),
        60,
        () => `end of ${id}`,
      );
    }
    assert.ok(!folder.reports.some((report) => report.includes("stray")));
    await second.close("leave");
  }));

test("a lost node takes its runs with it at once; a run beside it goes on", () =>
  withFolder(async (folder) => {
    const cluster = await folder.cluster<LocalCluster>();
    const [gang, other] = [jobOf("gang", 60, { gpus: 8 }), jobOf("other", 0.5)];
    cluster.start(
      runOf(
        gang,
        0,
        [0, 1].map((node) => ({ node, gpus: 4 })),
      ),
    );
    cluster.start(runOf(other));
    await folder.heard("started gang/0");
    // As the engine does.
    folder.onReport = (event) => event.kind === "node-lost" && cluster.stop("gang", 0);
    cluster.loseNode(1);
    await folder.heard("stopped gang/0");
    assert.equal(folder.units("gang"), 0, "a machine that is gone saves nothing");
    await folder.heard("finished other/0");
    assert.equal(folder.reports.filter((report) => report === "node-lost 1").length, 1);
    await cluster.close("leave");
  }));

test("how a run ends by itself is told with its last words; one that does not leave is killed", () =>
  withFolder(
    async (folder) => {
      const cluster = await folder.cluster();
      const [bad, deaf] = [
        jobOf("bad", 1, { command: ["sh", "-c", "echo no such tensor >&2; exit 3"] }),
        jobOf("deaf", 1, { command: ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"] }),
      ];
      folder.onReport = (event) => {
        if (event.kind === "failed") assert.equal(event.why, "exit code 3: no such tensor");
      };
      cluster.start(runOf(bad));
      cluster.start(runOf(deaf));
      await folder.heard("failed bad/0");
      await folder.heard("started deaf/0");
      while (folder.read("deaf", "attempt-0.log") !== "deaf\n") await new Promise((wake) => setTimeout(wake, 20));
      cluster.stop("deaf", 0);
      await folder.heard("stopped deaf/0");
      assert.match(folder.warnings.join(), /deaf was asked to save and leave, and has not/);
      await cluster.close("leave");
    },
    { graceSeconds: "0.3" },
  ));
