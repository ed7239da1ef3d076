/** A real Slurm: gangs, checkpoints, lost nodes, a lost controller, submissions whose answer was lost. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ClusterFolder, jobOf, runOf } from "../../test/cluster-folder.ts";
import {
  aloneOnSlurm,
  killController,
  killNode,
  resumeNodes,
  slurmJobs,
  slurmOrSkip,
  stopController,
} from "../../test/slurm.ts";
import { until } from "../../test/until.ts";
import { open } from "./slurm.ts";

async function withSlurm(body: (folder: ClusterFolder) => Promise<void>): Promise<void> {
  const folder = new ClusterFolder(open, undefined, { pollSeconds: "0.2" });
  try {
    await aloneOnSlurm(() => body(folder));
  } finally {
    await folder.remove();
  }
}

const named = (folder: ClusterFolder, run: string): string[] => slurmJobs(`heddle-${folder.path.slice(-6)}:${run}`);

test("a gang starts on all of its nodes at once, and on the GPUs decided", slurmOrSkip, () =>
  withSlurm(async (folder) => {
    const cluster = await folder.cluster();
    assert.deepEqual(
      cluster.nodes.map(({ id, type, gpus }) => [id, type, gpus]),
      Array.from({ length: 20 }, (_, i) => [`n${i}`, "v100", 4]),
    );
    // Both run until they have been looked at.
    const seen = join(folder.path, "seen");
    const waits = ["sh", "-c", 'until test -e "$0"; do sleep 0.1; done', seen];
    const told =
      'echo "$SLURM_PROCID $SLURMD_NODENAME" >> "$HEDDLE_FOLDER/ranks"; until test -e "$0"; do sleep 0.1; done';
    cluster.start(
      runOf(
        jobOf("even", 1, { command: ["srun", "sh", "-c", told, seen] }),
        0,
        [1, 2].map((node) => ({ node, gpus: 3 })),
      ),
    );
    cluster.start(
      runOf(jobOf("uneven", 1, { command: waits }), 0, [
        { node: 0, gpus: 4 },
        { node: 3, gpus: 1 },
      ]),
    );
    await folder.heard("started even/0");
    await folder.heard("started uneven/0");
    assert.deepEqual(named(folder, "even"), ["RUNNING n[1-2] gres:gpu:3"]);
    assert.deepEqual(named(folder, "uneven").sort(), ["RUNNING n0 gres:gpu:4", "RUNNING n3 gres:gpu:1"]);
    writeFileSync(seen, "");
    await folder.heard("finished even/0");
    await folder.heard("finished uneven/0");
    assert.deepEqual(folder.read("even", "ranks")!.trimEnd().split("\n").sort(), ["0 n1", "1 n2"]);
  }),
);

test("a job that is preempted saves, and goes on elsewhere from there", slurmOrSkip, () =>
  withSlurm(async (folder) => {
    const cluster = await folder.cluster();
    const job = jobOf("a/b: c%j", 600);
    cluster.start(runOf(job));
    await folder.works(job.id);
    await new Promise((wake) => setTimeout(wake, 400));
    cluster.stop(job.id, 0);
    await folder.heard("stopped a/b: c%j/0");
    const saved = folder.units(job.id);
    assert.ok(saved > 0.39, `${saved} s of work were saved`);
    cluster.start(runOf({ ...job, duration: saved + 1 }, 1, [{ node: 2, gpus: 1 }]));
    await folder.heard("finished a/b: c%j/1");
    assert.equal(folder.read(job.id, "done"), "1\n");
    assert.equal(folder.read(job.id, "overlap"), undefined);
    // One that waits for nodes is ended before it begins.
    cluster.start(runOf(jobOf("big", 60), 0, [{ node: 1, gpus: 4 }]));
    await folder.heard("started big/0");
    cluster.start(runOf(jobOf("late", 60), 0, [{ node: 1, gpus: 4 }]));
    await until(
      () => named(folder, "late")[0]?.startsWith("PENDING") === true,
      60,
      () => "job that waits",
    );
    cluster.stop("late", 0);
    await folder.heard("stopped late/0");
    assert.equal(folder.read("late", "attempt-0.log"), undefined);
  }),
);

test("a run whose submission was not answered is found, and runs once", slurmOrSkip, () =>
  withSlurm(async (folder) => {
    const first = await folder.cluster();
    const [job, stray] = [jobOf("job", 1.5), jobOf("stray", 60)];
    first.start(runOf(stray));
    await folder.heard("started stray/0");
    first.start(runOf(job));
    await first.close("leave");
    // The next scheduler believes in the run, and cannot tell whether it was submitted.
    const second = await folder.cluster([{ run: runOf(job), stopping: false }]);
    await folder.heard("finished job/0");
    assert.equal(folder.read("job", "done"), "0\n");
    await until(
      () => named(folder, "stray").every((line) => line.startsWith("CANCELLED")),
      60,
      () => "end of the stray",
    );
    assert.ok(!folder.reports.includes("failed job/0"));
    await second.close("leave");
    // Told again of a run that has ended, it does not run it again.
    folder.reports.length = 0;
    await folder.cluster([{ run: runOf(job), stopping: false }]);
    await folder.heard("finished job/0");
    assert.equal(folder.read("job", "done"), "0\n");
  }),
);

test("while the controller is away jobs run and submissions wait; nothing is lost or done twice", slurmOrSkip, () =>
  withSlurm(async (folder) => {
    const cluster = await folder.cluster();
    cluster.start(runOf(jobOf("before", 2)));
    await folder.heard("started before/0");
    const again = await stopController();
    try {
      cluster.start(runOf(jobOf("during", 0.2)));
      await until(
        () => /does not answer, and is asked again/.test(folder.warnings.join()),
        40,
        () => "warning",
      );
      await until(
        () => folder.read("before", "done") === "0\n",
        60,
        () => "end of the job",
      );
    } finally {
      again();
    }
    await folder.heard("finished before/0", 40);
    await folder.heard("finished during/0", 40);
    assert.equal(folder.read("during", "done"), "0\n");
    assert.equal(named(folder, "during").length, 1);
  }),
);

test("what a controller that was killed has forgotten begins again; nothing is lost or done twice", slurmOrSkip, (t) =>
  withSlurm(async (folder) => {
    const cluster = await folder.cluster();
    // Where a number that was forgotten is given again, Slurm drains the node that remembers it: as the engine does, elsewhere.
    const on = (attempt: number) => [{ node: 4 + attempt, gpus: 4 }];
    const jobs = new Map([jobOf("runs", 4), jobOf("waits", 1)].map((job) => [job.id, job]));
    folder.onReport = (event) => {
      if (event.kind === "stopped")
        cluster.start(runOf(jobs.get(event.job)!, event.attempt + 1, on(event.attempt + 1)));
    };
    // It writes its state down five seconds after what changed first: what changed before is written.
    await new Promise((wake) => setTimeout(wake, 6000));
    cluster.start(runOf(jobs.get("runs")!, 0, on(0)));
    await folder.works("runs");
    cluster.start(runOf(jobs.get("waits")!, 0, on(0)));
    await until(
      () => named(folder, "waits").length > 0,
      60,
      () => "job that waits",
    );
    (await killController())();
    t.after(resumeNodes);
    for (const id of jobs.keys()) {
      await until(
        () => folder.reports.some((report) => report.startsWith(`finished ${id}/`)),
        60,
        () => `end of ${id}; there was ${folder.reports.join(", ")}`,
      );
      assert.match(folder.read(id, "done") ?? "", /^\d\n$/);
      assert.equal(folder.read(id, "overlap"), undefined);
    }
    const wrong = folder.reports.filter((report) => /^(failed|node-lost (?![45]$))/.test(report));
    assert.deepEqual(wrong, [], "neither the jobs nor the other nodes were at fault");
    assert.ok(
      folder.reports.some((report) => report.startsWith("stopped")),
      "something was forgotten",
    );
    t.diagnostic(folder.reports.join(", "));
  }),
);

test(
  "a node that is lost is told of before its runs; what it still computes ends before another attempt does",
  slurmOrSkip,
  () =>
    withSlurm(async (folder) => {
      const cluster = await folder.cluster();
      const job = jobOf("job", 60);
      cluster.start(runOf(job, 0, [{ node: 3, gpus: 2 }]));
      await folder.works("job");
      // As the engine does.
      folder.onReport = (event) => {
        if (event.kind === "node-lost") cluster.stop("job", 0);
        if (event.kind === "stopped" && event.attempt === 0) cluster.start(runOf(job, 1));
      };
      const again = await killNode("n3");
      try {
        await folder.heard("stopped job/0", 40);
        assert.ok(
          folder.reports.indexOf("node-lost 3") < folder.reports.indexOf("stopped job/0"),
          folder.reports.join(),
        );
        await folder.heard("started job/1");
        await until(
          () => folder.read("job", "attempt-1.log") !== undefined,
          60,
          () => "output",
        );
      } finally {
        again();
      }
      await folder.heard("node-back 3", 40);
      await new Promise((wake) => setTimeout(wake, 6000));
      assert.equal(folder.read("job", "overlap"), undefined);
      cluster.stop("job", 1);
      await folder.heard("stopped job/1");
    }),
);
