/**
 * Jobs as pods of a Kubernetes cluster, which Heddle binds to nodes itself: no other scheduler sees them.
 *
 *     start ──► a pod a node (made, then bound all together) ──► watch ──► all Running: started; all Succeeded: finished
 *     stop ───► pods are deleted: SIGTERM, checkpoint, gone ────► stopped
 *
 * A pod's name holds the attempt and the part, so a scheduler that was killed between making pods and writing it down makes none
 * twice. A node that is not Ready, cordoned or gone is lost; its pods are removed without waiting for a kubelet that may never answer.
 */
import type { CoreV1Api, V1Node, V1Pod, Watch } from "@kubernetes/client-node";
import { UserError } from "../../core/errors.ts";
import type { Belief, Cluster, ClusterSetup, OpenCluster } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import { absent, type Gang, hasEnded, partTask } from "./gang.ts";
import { GangRuns, type GangWork, reasonOf } from "./gang-runs.ts";
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

/** Milliseconds that pods of a run stay after it has ended. */
const keepEnded = 5000;

export const open: OpenCluster = async (setup) => {
  // Only now: its seven hundred modules would make every command start later.
  const { CoreV1Api, KubeConfig, Watch } = await import("@kubernetes/client-node");
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
    const file = kubeconfig ?? "(KUBECONFIG, or ~/.kube/config)";
    throw new UserError(
      `The kubeconfig ${file} cannot be read: ${(error as Error).message}.`,
      "Give `--set kubeconfig=FILE`.",
    );
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
  return new KubernetesCluster(setup, new Watch(config), core, nodes, {
    id: setup.id,
    namespace,
    image,
    resource,
    graceSeconds,
    folder: setup.folder,
    claim,
  });
};

class KubernetesCluster implements Cluster, GangWork {
  readonly silent = "its pods ended";
  readonly nodes: readonly NodeSpec[];
  readonly #setup: ClusterSetup;
  readonly #core: CoreV1Api;
  readonly #options: PodOptions;
  readonly #runs: GangRuns;
  readonly #watchers: readonly Watcher<V1Pod | V1Node>[];
  #adopted = false;

  constructor(setup: ClusterSetup, watch: Watch, core: CoreV1Api, nodes: readonly NodeSpec[], options: PodOptions) {
    this.#setup = setup;
    this.#core = core;
    this.nodes = nodes;
    this.#options = options;
    this.#runs = new GangRuns(setup, options.graceSeconds, this);
    const { namespace } = options;
    this.#watchers = [
      new Watcher<V1Pod>(watch, `/api/v1/namespaces/${namespace}/pods`, {
        labelSelector: `${schedulerLabel}=${options.id}`,
        list: () => this.#pods(),
        see: (pod, gone) => this.#seePod(pod, gone),
        warn: setup.warn,
      }),
      new Watcher<V1Node>(watch, "/api/v1/nodes", {
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
    this.#runs.believe(beliefs);
    // The first listing fills in what there is, and ends what nobody believes in.
    for (const watcher of this.#watchers) await watcher.start();
    this.#adopted = true;
    this.#runs.catchUp();
  }

  start(run: Run): void {
    this.#runs.start(run);
  }

  stop(job: JobId, attempt: number): void {
    this.#runs.stop(job, attempt);
  }

  /** Pods are made first and bound when all are there: a gang starts whole or not at all. */
  async make({ run, parts }: Gang): Promise<void> {
    const { namespace } = this.#options;
    for (const [part, state] of parts.entries()) {
      if (state !== "none") continue;
      const body = podOf(this.#options, run, part, partTask(this.#setup, this.nodes, run, part));
      await this.#runs.patience.until(() => this.#core.createNamespacedPod({ namespace, body }), [409]);
    }
    for (const [part, { node }] of run.places.entries()) {
      const name = podName(this.#options, run, part);
      const target = { apiVersion: "v1", kind: "Node", name: this.nodes[node]!.id };
      const body = { metadata: { name }, target };
      const bind = () => this.#core.createNamespacedPodBinding({ name, namespace, body });
      // A pod that is bound already, or gone since, answers with a conflict or not at all.
      await this.#runs.patience.until(bind, [404, 409]);
    }
  }

  /** Deletes its pods, with time to save; those that never were have left. */
  async end(gang: Gang, graceSeconds: number): Promise<void> {
    for (const [part, state] of gang.parts.entries()) {
      if (hasEnded(state)) continue;
      const there = await this.#delete(podName(this.#options, gang.run, part), graceSeconds);
      if (!there) gang.parts[part] = absent(gang);
    }
  }

  /** False where there is no such pod. */
  async #delete(name: string, gracePeriodSeconds: number): Promise<boolean> {
    const { namespace } = this.#options;
    const body = { gracePeriodSeconds };
    return this.#runs.patience.until(() => this.#core.deleteNamespacedPod({ name, namespace, body }), [404]);
  }

  #seePod(pod: V1Pod, gone: boolean): void {
    const which = partOf(pod);
    const gang = which && this.#runs.get(which.job, which.attempt);
    if (which === undefined || gang === undefined || gang.said === "end") {
      // Of a run that nobody believes in; one that has ended goes by itself.
      const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
      if (!gone && pod.metadata?.deletionTimestamp === undefined && (!ended || !this.#adopted)) {
        this.#tidy(pod.metadata!.name!);
      }
      return;
    }
    this.#runs.see(gang, which.part, podState(pod, gone, gang.stopping), () => podFault(pod, gone));
  }

  /** Its pods are the record of how it ended, until the scheduler has surely written that down. */
  ended({ run, parts }: Gang): void {
    const pods = [...parts.keys()].map((part) => podName(this.#options, run, part));
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
    this.#runs.seeNode(index, !gone && isUsable(node));
  }

  close(jobs: "leave" | "stop"): Promise<void> {
    return this.#runs.close(jobs, () => {
      for (const watcher of this.#watchers) watcher.close();
    });
  }
}
