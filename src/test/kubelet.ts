/**
 * A kubelet small enough for tests: it runs the pods that are bound to its node as processes of this machine, and tells the API
 * server what became of them. So a pod that is deleted gets SIGTERM, may save its state, and is gone when its process is.
 *
 *     watch pods of my node ──► spawn ──► status Running ──► exit ──► Succeeded or Failed; deletion ──► SIGTERM ──► removed
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  CoreV1Api,
  type KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Pod,
  Watch,
} from "@kubernetes/client-node";

const merged = setHeaderOptions("Content-Type", PatchStrategy.MergePatch);

export class Kubelet {
  readonly node: string;
  readonly #core: CoreV1Api;
  readonly #watch: Watch;
  readonly #processes = new Map<string, ChildProcess>();
  #request: AbortController | undefined;
  #closed = false;

  private constructor(config: KubeConfig, node: string) {
    this.node = node;
    this.#core = config.makeApiClient(CoreV1Api);
    this.#watch = new Watch(config);
  }

  /** Registers a node of `gpus` GPUs, and runs what is bound to it. */
  static async start(config: KubeConfig, node: string, gpus: number, type = "v100"): Promise<Kubelet> {
    const kubelet = new Kubelet(config, node);
    const resources = { cpu: "64", memory: "256Gi", pods: "110", "nvidia.com/gpu": String(gpus) };
    await kubelet.#core.createNode({
      body: { metadata: { name: node, labels: { "nvidia.com/gpu.product": type } }, spec: {} },
    });
    await kubelet.#core.patchNodeStatus(
      {
        name: node,
        body: {
          status: {
            capacity: resources,
            allocatable: resources,
            conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "" }],
          },
        },
      },
      merged,
    );
    await kubelet.#listen();
    return kubelet;
  }

  async #listen(): Promise<void> {
    if (this.#closed) return;
    const again = (): void => void this.#listen().catch(() => setTimeout(again, 200));
    this.#request = await this.#watch.watch(
      "/api/v1/pods",
      { fieldSelector: `spec.nodeName=${this.node}` },
      (phase, pod: V1Pod) => this.#see(phase, pod),
      again,
    );
  }

  #see(phase: string, pod: V1Pod): void {
    const { uid, name, deletionTimestamp } = pod.metadata!;
    const process = this.#processes.get(uid!);
    if (phase === "DELETED") {
      if (process !== undefined) killAll(process);
    } else if (deletionTimestamp !== undefined) {
      if (process === undefined || process.exitCode !== null || process.signalCode !== null) void this.#remove(pod);
      else process.kill("SIGTERM");
    } else if (process === undefined && (pod.status?.phase ?? "Pending") === "Pending") {
      this.#run(uid!, name!, pod);
    }
  }

  #run(uid: string, name: string, pod: V1Pod): void {
    const container = pod.spec!.containers[0]!;
    const [program, ...words] = [...(container.command ?? []), ...(container.args ?? [])];
    const env = Object.fromEntries((container.env ?? []).map(({ name: key, value }) => [key, value ?? ""]));
    const child = spawn(program!, words, { env: { ...process.env, ...env }, stdio: "ignore", detached: true });
    this.#processes.set(uid, child);
    void this.#say(name, pod, { phase: "Running", startTime: new Date().toISOString() });
    child.once("close", async (code, signal) => {
      const phase = code === 0 ? "Succeeded" : "Failed";
      const terminated = { exitCode: code ?? 128, reason: phase === "Failed" ? (signal ?? "Error") : "Completed" };
      const containerStatuses = [
        {
          name: container.name,
          image: container.image,
          imageID: "",
          ready: false,
          restartCount: 0,
          state: { terminated },
        },
      ];
      await this.#say(name, pod, { phase, containerStatuses });
      await this.#remove(pod, true);
    });
  }

  async #say(name: string, pod: V1Pod, status: object): Promise<void> {
    const body = { metadata: { uid: pod.metadata!.uid }, status };
    const { namespace } = pod.metadata!;
    // A server that is away hears it when it is back; one that answers has nothing more to be told.
    for (let told = false; !told && !this.#closed; ) {
      told = await this.#core.patchNamespacedPodStatus({ name, namespace: namespace!, body }, merged).then(
        () => true,
        (error: { readonly code?: unknown }) => typeof error.code === "number",
      );
      if (!told) await new Promise((wake) => setTimeout(wake, 100));
    }
  }

  /** A pod that was deleted goes once its process has ended. */
  async #remove(pod: V1Pod, onlyIfDeleted = false): Promise<void> {
    const { name, namespace, uid } = pod.metadata!;
    const now = await this.#core.readNamespacedPod({ name: name!, namespace: namespace! }).catch(() => undefined);
    if (now?.metadata?.uid !== uid || (onlyIfDeleted && now?.metadata?.deletionTimestamp === undefined)) return;
    const body = { gracePeriodSeconds: 0, preconditions: { uid: uid! } };
    await this.#core.deleteNamespacedPod({ name: name!, namespace: namespace!, body }).catch(() => undefined);
  }

  /** The machine dies: its processes with it, and it says nothing more. The node object stays until somebody marks it. */
  async crash(): Promise<void> {
    this.#closed = true;
    this.#request?.abort();
    for (const child of this.#processes.values()) killAll(child);
    const conditions = [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown", message: "" }];
    await this.#core.patchNodeStatus({ name: this.node, body: { status: { conditions } } }, merged);
  }

  close(): void {
    this.#closed = true;
    this.#request?.abort();
    for (const child of this.#processes.values()) killAll(child);
  }
}

/** A container ends as a whole. */
function killAll({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
