/** Jobs through a real Ray's Jobs API: gangs over nodes, checkpoints, adoption, a node that dies. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { ClusterFolder, jobOf, runOf, workerTask } from "../../test/cluster-folder.ts";
import { raySkip, TestRay } from "../../test/ray.ts";
import type { Cluster } from "../cluster.ts";
import { open } from "./ray.ts";

let ray: TestRay;

before(
  async () => {
    if (raySkip === false) ray = await TestRay.start(["ray-a", "ray-b"], 4);
  },
  { timeout: 300_000 },
);
after(() => ray?.close());

function onRay(what: string, body: (folder: ClusterFolder, open: () => Promise<Cluster>) => Promise<void>): void {
  test(what, { skip: raySkip, timeout: 300_000 }, async () => {
    const folder = new ClusterFolder(open, undefined, { address: ray.address, token: ray.token, graceSeconds: "10" });
    try {
      await body(folder, () => folder.cluster());
    } finally {
      await folder.remove();
    }
  });
}

onRay("nodes are known by the names they were given; a gang over both starts once and finishes", async (f, go) => {
  const cluster = await go();
  assert.deepEqual(cluster.nodes.map(({ id, gpus }) => [id, gpus]).sort(), [
    ["ray-a", 4],
    ["ray-b", 4],
  ]);
  const places = [
    { node: 0, gpus: 4 },
    { node: 1, gpus: 1 },
  ];
  cluster.start(runOf(jobOf("gang", 1, { gpus: 5 }), 0, places));
  await f.heard("finished gang/0", 120);
  assert.deepEqual(f.reports, ["started gang/0", "finished gang/0"]);
  assert.equal(f.read("gang", "part-1/done"), "0\n");
  await cluster.close("leave");
});

onRay("a job is stopped with a checkpoint, goes on elsewhere, and is adopted by the next scheduler", async (f, go) => {
  const first = await go();
  const job = jobOf("moved", 600);
  first.start(runOf(job));
  await f.heard("started moved/0", 120);
  await f.works(job.id);
  first.stop(job.id, 0);
  await f.heard("stopped moved/0", 120);
  const saved = f.units(job.id);
  assert.ok(saved > 0, "nothing was saved");
  const run = runOf({ ...job, duration: saved + 4 }, 1, [{ node: 1, gpus: 1 }]);
  first.start(run);
  await f.heard("started moved/1", 120);
  await first.close("leave");
  const second = await f.cluster([{ run, stopping: false }]);
  await f.heard("finished moved/1", 120);
  assert.equal(f.read("moved", "overlap"), undefined);
  await second.close("leave");
});

onRay("a node that dies is lost, and its job runs again on another", async (f, go) => {
  const cluster = await go();
  const lost = cluster.nodes.findIndex(({ id }) => id === "ray-b");
  const job = jobOf("survivor", 2);
  cluster.start(runOf(job, 0, [{ node: lost, gpus: 1 }]));
  await f.heard("started survivor/0", 120);
  ray.lose("ray-b");
  await f.heard(`node-lost ${lost}`, 120);
  cluster.start(runOf(job, 1, [{ node: 1 - lost, gpus: 1 }]));
  await f.heard("finished survivor/1", 120);
  assert.equal(f.read("survivor", "overlap"), undefined);
  await cluster.close("leave");
});

test("a Ray that is not there, or that knows another token, is said so", { skip: raySkip }, async () => {
  const refused = async (options: Record<string, string>): Promise<string> => {
    const setup = { folder: "unused", id: "t", task: workerTask, report: () => {}, warn: () => {}, options };
    const error = await open(setup).catch((e: unknown) => e);
    assert.ok(error instanceof UserError);
    return error.message;
  };
  assert.match(await refused({ address: "http://127.0.0.1:9" }), /No Ray answers at/);
  assert.match(await refused({ address: ray.address, token: "0123456789abcdef" }), /refuses the token/);
});
