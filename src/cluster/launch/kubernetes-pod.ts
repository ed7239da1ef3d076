/** Pods of a run: one for each node it has GPUs on, named so that making one twice is refused. */
import { createHash } from "node:crypto";
import type { V1Node, V1Pod } from "@kubernetes/client-node";
import type { Task } from "../cluster.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import type { PartState } from "./gang.ts";

/** Marks the pods of one scheduler's state. */
export const schedulerLabel = "heddle.dev/scheduler";
const [jobNote, attemptNote, partNote] = ["heddle.dev/job", "heddle.dev/attempt", "heddle.dev/part"];
const typeLabels = ["nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "node.kubernetes.io/instance-type"];
const zoneLabels = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

export interface PodOptions {
  /** Of this scheduler's state. */
  readonly id: string;
  readonly namespace: string;
  readonly image: string;
  /** The extended resource that counts GPUs. */
  readonly resource: string;
  /** Between SIGTERM and SIGKILL: time to write a checkpoint. */
  readonly graceSeconds: number;
  /** Of the scheduler's state and the jobs' checkpoints: mounted into each pod, at the same path. */
  readonly folder: string;
  /** The persistent volume claim that is mounted there; without one it is the node's own folder. */
  readonly claim: string | undefined;
}

export function podName({ id }: PodOptions, { job, attempt }: Run, part: number): string {
  const hash = createHash("sha256").update(`${id}/${job.id}`).digest("hex").slice(0, 16);
  return `heddle-${hash}-${attempt}-${part}`;
}

/** A pod that asks for its share of the GPUs and waits for Heddle to bind it. */
export function podOf(options: PodOptions, run: Run, part: number, task: Task): V1Pod {
  const { job, attempt } = run;
  const gpus = run.places[part]!.gpus;
  const resources = {
    ...(gpus > 0 && { [options.resource]: String(gpus) }),
    ...(job.cpus !== undefined && { cpu: String(job.cpus) }),
    ...(job.memoryBytes !== undefined && { memory: String(job.memoryBytes) }),
  };
  // Its kubelet signals the first process of a container, and no other.
  const environment = { ...task.environment, HEDDLE_HAND_ON: "1" };
  const env = Object.entries(environment).map(([name, value]) => ({ name, value }));
  return {
    metadata: {
      name: podName(options, run, part),
      labels: { [schedulerLabel]: options.id },
      annotations: { [jobNote]: job.id, [attemptNote]: String(attempt), [partNote]: String(part) },
    },
    spec: {
      schedulerName: "heddle",
      restartPolicy: "Never",
      terminationGracePeriodSeconds: options.graceSeconds,
      automountServiceAccountToken: false,
      volumes: [{ name: "state", ...volumeOf(options) }],
      containers: [
        {
          name: "job",
          image: options.image,
          command: [...task.argv],
          env,
          volumeMounts: [{ name: "state", mountPath: options.folder }],
          resources: { limits: resources, requests: resources },
        },
      ],
    },
  };
}

const volumeOf = ({ claim, folder }: PodOptions) =>
  claim === undefined
    ? { hostPath: { path: folder, type: "Directory" } }
    : { persistentVolumeClaim: { claimName: claim } };

export interface PodPart {
  readonly job: string;
  readonly attempt: number;
  readonly part: number;
}

/** Which part of which run a pod is. */
export function partOf({ metadata }: V1Pod): PodPart | undefined {
  const notes = metadata?.annotations ?? {};
  const job = notes[jobNote];
  const [attempt, part] = [Number(notes[attemptNote]), Number(notes[partNote])];
  return job === undefined || !Number.isInteger(attempt) || !Number.isInteger(part)
    ? undefined
    : { job, attempt, part };
}

/** Where it stands; `gone` once the server has removed it. */
export function podState({ status }: V1Pod, gone: boolean, stopping: boolean): PartState {
  if (status?.phase === "Succeeded") return "done";
  if (gone || status?.phase === "Failed") return stopping ? "left" : "failed";
  return status?.phase === "Running" ? "running" : "pending";
}

/** Why a pod failed, as its kubelet tells it. */
export function podFault({ metadata, status }: V1Pod, gone: boolean): string {
  const ended = status?.containerStatuses?.[0]?.state?.terminated;
  const reason = [status?.reason, status?.message, ended?.reason].filter((text) => text).join(", ");
  if (ended !== undefined) return `pod ${metadata!.name} ended with code ${ended.exitCode}${reason && ` (${reason})`}`;
  return `pod ${metadata!.name} ${gone ? "was deleted by somebody else" : "failed"}${reason && ` (${reason})`}`;
}

/** Ready, and not cordoned. */
export const isUsable = ({ spec, status }: V1Node): boolean =>
  spec?.unschedulable !== true && (status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") ?? false);

/** A node with GPUs as Heddle sees it; `undefined` for one without. */
export function nodeOf({ metadata, status }: V1Node, resource: string): NodeSpec | undefined {
  const gpus = Number(status?.allocatable?.[resource] ?? 0);
  if (!(gpus > 0)) return undefined;
  const labels = metadata?.labels ?? {};
  const topology = zoneLabels.flatMap((name) => labels[name] ?? []);
  const type = typeLabels.flatMap((name) => labels[name] ?? [])[0] ?? "gpu";
  return { id: metadata!.name!, type, gpus, ...(topology.length > 0 && { topology }) };
}
