/** Pods on a real API server, with kubelets that run them as processes: gangs, checkpoints, lost nodes, restarts of either side. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { CoreV1Api } from "@kubernetes/client-node";
import { ClusterFolder, jobOf, runOf, workerFile } from "../../test/cluster-folder.ts";
import { Kubelet } from "../../test/kubelet.ts";
import { kubernetesSkip, TestKubernetes } from "../../test/kubernetes.ts";
import { until } from "../../test/until.ts";
import type { Cluster } from "../cluster.ts";
import { open } from "./kubernetes.ts";

let server: TestKubernetes;
let core: CoreV1Api;
const kubelets: Kubelet[] = [];

before(async () => {
  if (kubernetesSkip !== false) return;
  server = await TestKubernetes.start();
  core = server.config().makeApiClient(CoreV1Api);
  for (const name of ["n0", "n1"]) kubelets.push(await Kubelet.start(server.config(), name, 4));
});

after(() => {
  for (const kubelet of kubelets) kubelet.close();
  server?.close();
});

const pods = async () => (await core.listNamespacedPod({ namespace: "default" })).items;

function onKubernetes(
  what: string,
  body: (folder: ClusterFolder, open: () => Promise<Cluster>) => Promise<void>,
): void {
  test(what, { skip: kubernetesSkip, timeout: 300_000 }, async () => {
    const folder = new ClusterFolder(open, undefined, { kubeconfig: server.kubeconfig, graceSeconds: "10" });
    try {
      await body(folder, () => folder.cluster());
    } finally {
      await folder.remove();
    }
  });
}

onKubernetes(
  "nodes are found with their GPUs; a gang is bound to two of them, starts once and finishes",
  async (f, go) => {
    const cluster = await go();
    assert.deepEqual(
      cluster.nodes.map(({ id, type, gpus }) => ({ id, type, gpus })),
      ["n0", "n1"].map((id) => ({ id, type: "v100", gpus: 4 })),
    );
    const places = [
      { node: 1, gpus: 4 },
      { node: 0, gpus: 2 },
    ];
    // It runs until it has been looked at.
    const seen = join(f.path, "seen");
    const command = ["sh", "-c", 'until test -e "$0"; do sleep 0.1; done; exec "$@"', seen];
    cluster.start(
      runOf(
        jobOf("gang", 0.1, { gpus: 6, command: [...command, process.execPath, workerFile, "0.1", "1"] }),
        0,
        places,
      ),
    );
    await f.heard("started gang/0");
    const made = (await pods()).map(({ spec }) => [
      spec!.nodeName,
      spec!.schedulerName,
      spec!.containers[0]!.resources!.limits,
    ]);
    assert.deepEqual(made.sort(), [
      ["n0", "heddle", { "nvidia.com/gpu": "2" }],
      ["n1", "heddle", { "nvidia.com/gpu": "4" }],
    ]);
    writeFileSync(seen, "");
    await f.heard("finished gang/0");
    assert.deepEqual(f.reports, ["started gang/0", "finished gang/0"]);
    assert.equal(f.read("gang", "part-1/done"), "0\n");
    await cluster.close("leave");
  },
);

onKubernetes("a job that is stopped goes on from its checkpoint on another node", async (f, go) => {
  const cluster = await go();
  const job = jobOf("moved", 600);
  cluster.start(runOf(job));
  await f.heard("started moved/0");
  await f.works(job.id);
  cluster.stop(job.id, 0);
  await f.heard("stopped moved/0");
  const saved = f.units(job.id);
  assert.ok(saved > 0, "nothing was saved");
  cluster.start(runOf({ ...job, duration: saved + 0.5 }, 1, [{ node: 1, gpus: 1 }]));
  await f.heard("finished moved/1");
  assert.equal(f.read("moved", "overlap"), undefined);
  await cluster.close("leave");
});

onKubernetes("what a scheduler left behind is adopted, completed or ended by the next", async (f, go) => {
  const first = await go();
  const [known, stray, unmade] = [jobOf("known", 1.5), jobOf("stray", 60), jobOf("unmade", 0.2)];
  first.start(runOf(known));
  first.start(runOf(stray));
  await f.heard("started known/0");
  await f.heard("started stray/0");
  await first.close("leave");
  const second = await f.cluster([known, unmade].map((job) => ({ run: runOf(job), stopping: false })));
  await f.heard("finished known/0");
  await f.heard("finished unmade/0");
  assert.equal(f.read("known", "done"), "0\n");
  assert.equal(f.read("known", "overlap"), undefined);
  await until(
    () => f.read("stray", "exit-0") !== undefined,
    60,
    () => "end of the stray run",
  );
  await second.close("leave");
});

onKubernetes("a pod that somebody deletes has failed; the word of it comes once", async (f, go) => {
  const cluster = await go();
  cluster.start(runOf(jobOf("deleted", 60)));
  await f.heard("started deleted/0");
  const [pod] = (await pods()).filter(({ metadata }) => metadata!.annotations!["heddle.dev/job"] === "deleted");
  await core.deleteNamespacedPod({ namespace: "default", name: pod!.metadata!.name! });
  await f.heard("failed deleted/0");
  assert.equal(f.reports.filter((line) => line.startsWith("failed")).length, 1);
  await cluster.close("leave");
});

onKubernetes(
  "the API server dies and comes back: nothing is lost, and what happened meanwhile is seen",
  async (f, go) => {
    const cluster = await go();
    cluster.start(runOf(jobOf("through", 1)));
    await f.heard("started through/0");
    server.killServer();
    cluster.start(runOf(jobOf("meanwhile", 0.2)));
    await new Promise((wake) => setTimeout(wake, 1500));
    server.up();
    await f.heard("finished through/0", 120);
    await f.heard("finished meanwhile/0", 120);
    await cluster.close("leave");
  },
);

onKubernetes(
  "a cordoned node is lost until it is not; a node that dies takes no word of its pods with it",
  async (f, go) => {
    const cluster = await go();
    await core.patchNode({ name: "n0", body: [{ op: "add", path: "/spec/unschedulable", value: true }] });
    await f.heard("node-lost 0");
    await core.patchNode({ name: "n0", body: [{ op: "remove", path: "/spec/unschedulable" }] });
    await f.heard("node-back 0");
    const job = jobOf("survivor", 1);
    cluster.start(runOf(job, 0, [{ node: 1, gpus: 1 }]));
    await f.heard("started survivor/0");
    await kubelets[1]!.crash();
    await f.heard("node-lost 1");
    cluster.start(runOf(job, 1));
    await f.heard("finished survivor/1", 120);
    assert.ok(!f.reports.includes("failed survivor/0"));
    await cluster.close("leave");
  },
);
