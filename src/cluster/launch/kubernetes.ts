/**
 * Jobs as pods of a Kubernetes cluster, which Heddle binds to nodes itself: no other scheduler sees them.
 *
 *     start ──► a pod a node (made, then bound all together) ──► watch ──► all Running: started; all Succeeded: finished
 *     stop ───► pods are deleted: SIGTERM, checkpoint, gone ────► stopped
 *
 * A pod's name holds the attempt and the part, so a scheduler that was killed between making pods and writing it down makes none
 * twice. A node that is not Ready, cordoned or gone is lost; its pods are removed without waiting for a kubelet that may never answer.
 */
import type { CoreV1Api, KubeConfig, V1Node, V1Pod } from "@kubernetes/client-node";
import { UserError } from "../../core/errors.ts";
import type { Belief, Cluster, ClusterSetup, OpenCluster } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import { type Gang, Gangs, gangOf, mustFall, newsOf, partTask } from "./gang.ts";
import {
  isUsable,
  nodeOf,
  type PodOptions,
  partOf,
  podFault,
  podName,
  podOf,
  podState,
  schedulerLabel,
} from "./kubernetes-pod.ts";
import { Watcher } from "./kubernetes-watch.ts";
import { secondsOption } from "./options.ts";
import { Patience } from "./patience.ts";

/** Milliseconds that pods of a run stay after it has ended. */
const keepEnded = 5000;

export const open: OpenCluster = async (setup) => {
  const { CoreV1Api, KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  const {
    kubeconfig,
    context,
    namespace = "default",
    image = "busybox",
    resource = "nvidia.com/gpu",
    claim,
  } = setup.options;
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (error) {
    throw new UserError(`The kubeconfig ${kubeconfig} cannot be read: ${(error as Error).message}.`);
  }
  if (context !== undefined) config.setCurrentContext(context);
  const graceSeconds = secondsOption(setup.options, "graceSeconds", 60);
  const core = config.makeApiClient(CoreV1Api);
  const server = config.getCurrentCluster()?.server ?? "no cluster";
  const listed = await core.listNode().catch((error: unknown) => {
    throw new UserError(`No Kubernetes answers at ${server}: ${reasonOf(error)}.`, "Give `--set kubeconfig=FILE`.");
  });
  const nodes = listed.items.flatMap((node) => nodeOf(node, resource) ?? []);
  if (nodes.length === 0) {
    throw new UserError(
      `None of the ${listed.items.length} nodes of ${server} has ${resource}.`,
      "Name another resource with `--set resource=NAME`.",
    );
  }
  return new KubernetesCluster(setup, config, core, nodes, {
    id: setup.id,
    namespace,
    image,
    resource,
    graceSeconds,
    folder: setup.folder,
    claim,
  });
};

class KubernetesCluster implements Cluster {
  readonly nodes: readonly NodeSpec[];
  readonly #setup: ClusterSetup;
  readonly #core: CoreV1Api;
  readonly #options: PodOptions;
  readonly #gangs = new Gangs();
  readonly #lost = new Set<number>();
  readonly #watchers: readonly Watcher<V1Pod | V1Node>[];
  readonly #patience: Patience;
  #adopted = false;
  #closed = false;

  constructor(
    setup: ClusterSetup,
    config: KubeConfig,
    core: CoreV1Api,
    nodes: readonly NodeSpec[],
    options: PodOptions,
  ) {
    this.#setup = setup;
    this.#core = core;
    this.nodes = nodes;
    this.#options = options;
    this.#patience = new Patience(setup.warn);
    const { namespace } = options;
    this.#watchers = [
      new Watcher<V1Pod>(config, `/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: `${schedulerLabel}=${options.id}`,
        list: () => this.#pods(),
        see: (pod, gone) => this.#seePod(pod, gone),
        warn: setup.warn,
      }),
      new Watcher<V1Node>(config, "/api/v1/nodes", {
        list: async () => (await core.listNode()).items,
        see: (node, gone) => this.#seeNode(node, gone),
        warn: setup.warn,
      }),
    ];
  }

  async #pods(): Promise<V1Pod[]> {
    const { namespace, id } = this.#options;
    return (await this.#core.listNamespacedPod({ namespace, labelSelector: `${schedulerLabel}=${id}` })).items;
  }

  async adopt(beliefs: readonly Belief[]): Promise<void> {
    for (const { run, stopping } of beliefs) this.#gangs.add(gangOf(run, stopping));
    // The first listing fills in what there is, and ends what nobody believes in.
    for (const watcher of this.#watchers) await watcher.start();
    this.#adopted = true;
    for (const gang of this.#gangs.all()) {
      if (gang.said === "end") continue;
      if (gang.stopping) this.#end(gang);
      else if (gang.parts.includes("none")) this.#make(gang);
    }
  }

  start(run: Run): void {
    this.#make(this.#gangs.add(gangOf(run)));
  }

  stop(job: JobId, attempt: number): void {
    const gang = this.#gangs.get(job, attempt);
    if (gang === undefined || gang.stopping) return;
    gang.stopping = true;
    this.#end(gang);
  }

  /** Pods are made first and bound when all are there: a gang starts whole or not at all. */
  #make(gang: Gang): void {
    this.#then(gang, async () => {
      const { run } = gang;
      const { namespace } = this.#options;
      const missing = run.places.flatMap((_, part) => (gang.parts[part] === "none" ? [part] : []));
      for (const part of missing) {
        const body = podOf(this.#options, run, part, partTask(this.#setup, this.nodes, run, part));
        await this.#patience.until(() => this.#core.createNamespacedPod({ namespace, body }), [409]);
      }
      for (const [part, { node }] of run.places.entries()) {
        const name = podName(this.#options, run, part);
        const target = { apiVersion: "v1", kind: "Node", name: this.nodes[node]!.id };
        const body = { metadata: { name }, target };
        // A pod that is bound already, or gone since, answers with a conflict or not at all.
        await this.#patience.until(() => this.#core.createNamespacedPodBinding({ name, namespace, body }), [404, 409]);
      }
    });
  }

  /** Deletes its pods, with time to save; those that never were have left. */
  #end(gang: Gang, gracePeriodSeconds = this.#options.graceSeconds): void {
    this.#then(gang, async () => {
      for (const [part, state] of gang.parts.entries()) {
        if (state === "done" || state === "failed" || state === "left") continue;
        const there = await this.#delete(podName(this.#options, gang.run, part), gracePeriodSeconds);
        if (!there) gang.parts[part] = gang.stopping ? "left" : "failed";
      }
      this.#tell(gang);
    });
  }

  /** False where there is no such pod. */
  async #delete(name: string, gracePeriodSeconds: number): Promise<boolean> {
    const { namespace } = this.#options;
    const body = { gracePeriodSeconds };
    return this.#patience.until(() => this.#core.deleteNamespacedPod({ name, namespace, body }), [404]);
  }

  #then(gang: Gang, work: () => Promise<void>): void {
    gang.work = gang.work.then(work).catch((error: unknown) => {
      if (this.#closed) return;
      gang.why ??= reasonOf(error);
      for (const [part, state] of gang.parts.entries()) if (state === "none") gang.parts[part] = "failed";
      this.#judge(gang);
    });
  }

  #seePod(pod: V1Pod, gone: boolean): void {
    const which = partOf(pod);
    const gang = which && this.#gangs.get(which.job, which.attempt);
    if (which === undefined || gang === undefined || gang.said === "end") {
      // Of a run that nobody believes in; one that has ended goes by itself.
      const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
      if (!gone && pod.metadata?.deletionTimestamp === undefined && (!ended || !this.#adopted)) {
        this.#tidy(pod.metadata!.name!);
      }
      return;
    }
    const before = gang.parts[which.part];
    if (before === "done" || before === "failed" || before === "left") return;
    const now = podState(pod, gone, gang.stopping);
    gang.parts[which.part] = now;
    if (now === "failed") gang.why ??= podFault(pod, gone);
    this.#judge(gang);
  }

  #judge(gang: Gang): void {
    if (mustFall(gang)) this.#end(gang);
    this.#tell(gang);
  }

  #tell(gang: Gang): void {
    const { job, attempt } = gang.run;
    for (const kind of newsOf(gang)) {
      if (kind === "failed") this.#setup.report({ kind, job: job.id, attempt, why: gang.why ?? "its pods ended" });
      else this.#setup.report({ kind, job: job.id, attempt });
    }
    if (gang.said !== "end") return;
    this.#gangs.remove(gang);
    // They are the record of how it ended, until the scheduler has surely written that down.
    const pods = [...gang.parts.keys()].map((part) => podName(this.#options, gang.run, part));
    setTimeout(() => {
      for (const pod of pods) this.#tidy(pod);
    }, keepEnded).unref();
  }

  #tidy(name: string): void {
    this.#delete(name, this.#options.graceSeconds).catch((error: unknown) => this.#setup.warn(reasonOf(error)));
  }

  #seeNode(node: V1Node, gone: boolean): void {
    const index = this.nodes.findIndex(({ id }) => id === node.metadata!.name);
    if (index < 0) return;
    const usable = !gone && isUsable(node);
    if (usable === !this.#lost.has(index)) return;
    if (usable) {
      this.#lost.delete(index);
      this.#setup.report({ kind: "node-back", node: index });
      return;
    }
    this.#lost.add(index);
    for (const gang of this.#gangs.on(index)) {
      // The engine starts another attempt of it; what is left of this one must not wait for a kubelet that is gone.
      this.#gangs.remove(gang);
      gang.said = "end";
      this.#end(gang, 0);
    }
    this.#setup.report({ kind: "node-lost", node: index });
  }

  async close(jobs: "leave" | "stop"): Promise<void> {
    const gangs = this.#gangs.all();
    if (jobs === "stop") {
      for (const { run } of gangs) this.stop(run.job.id, run.attempt);
      const end = Date.now() + 1000 * (this.#options.graceSeconds + 10);
      while (this.#gangs.all().length > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
    }
    this.#closed = true;
    for (const watcher of this.#watchers) watcher.close();
    // What a server that is away has not heard yet, the next scheduler says.
    this.#patience.close();
    await Promise.all(gangs.map(({ work }) => work));
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message.split("\n")[0]! : String(error));
