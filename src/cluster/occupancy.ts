/**
 * What is really there: GPUs that runs hold until they have left, while the plan (`nodes.ts`) has given them to others already.
 * Those others are queued here, by the nodes that they wait for.
 */
import type { JobSpec } from "./job.ts";
import type { Group, JobRecord } from "./job-record.ts";
import { allows, type NodeSpec, type Share } from "./node.ts";

const nobody: readonly JobRecord[] = [];

export class Occupancy {
  readonly #nodes: readonly NodeSpec[];
  readonly #held: Int32Array;
  /** Nodes that are alike, of which a cluster has few kinds. */
  readonly #kinds = new Map<string, { readonly node: NodeSpec; count: number }>();
  /** Devices in use, of nodes where places name them. */
  readonly #devices = new Map<number, Set<number>>();
  /** By node, in the order in which they came. */
  readonly #queues: JobRecord[][];

  constructor(nodes: readonly NodeSpec[]) {
    this.#nodes = nodes;
    this.#held = new Int32Array(nodes.length);
    this.#queues = nodes.map(() => []);
    for (const node of nodes) {
      const key = `${node.type} ${node.gpus} ${node.cpus} ${node.memoryBytes}`;
      const kind = this.#kinds.get(key);
      if (kind === undefined) this.#kinds.set(key, { node, count: 1 });
      else kind.count++;
    }
  }

  /** Why the job could never run on so many GPUs, with all nodes there and nobody else on them; `undefined` where it could. */
  lacking({ types, cpus = 0, memoryBytes = 0 }: JobSpec, gpus: number): string | undefined {
    let [all, withHost] = [0, 0];
    for (const { node, count } of this.#kinds.values()) {
      if (!allows(types, node.type)) continue;
      all += count * node.gpus;
      // CPUs and memory are on the nodes where the GPUs are, by their number; a job without GPUs is on one node.
      const per = Math.max(1, gpus);
      const byCpus = cpus === 0 ? per : Math.floor(((node.cpus ?? Number.POSITIVE_INFINITY) * per) / cpus);
      const byMemory =
        memoryBytes === 0 ? per : Math.floor(((node.memoryBytes ?? Number.POSITIVE_INFINITY) * per) / memoryBytes);
      const part = Math.min(byCpus, byMemory);
      withHost = gpus === 0 ? Math.max(withHost, part) : withHost + count * Math.min(node.gpus, part);
    }
    if (all < gpus) return `it needs ${gpus} GPUs, and there are ${all} of the types that it can run on`;
    if (withHost >= Math.max(1, gpus)) return undefined;
    const host = `${cpus} CPUs and ${(memoryBytes / 2 ** 30).toFixed(1)} GiB of memory`;
    return `it needs ${host} for its ${gpus} GPUs, and no nodes have as much beside so many`;
  }

  /** Whether the job can be launched at its place: its last run has left, and so have all others from those GPUs. */
  isFree({ run, group }: JobRecord): boolean {
    if (run !== undefined || group === undefined) return false;
    if (group.present > 0) return true;
    for (const share of group.places) if (!this.#fits(share)) return false;
    return true;
  }

  enter(group: Group): void {
    if (group.present++ > 0) return;
    for (const share of group.places) this.#hold(share, share.gpus);
  }

  /** Returns jobs that waited for GPUs of the group, if these are free now. */
  exit(group: Group): readonly JobRecord[] {
    if (--group.present > 0) return nobody;
    const { places } = group;
    for (const share of places) this.#hold(share, -share.gpus);
    const here = this.#queues[places[0]!.node]!;
    // Those who are launched leave the queue meanwhile.
    if (places.length === 1) return here.length === 0 ? nobody : here.slice();
    return [...new Set(places.flatMap(({ node }) => this.#queues[node]!))];
  }

  queue(job: JobRecord): void {
    job.queued = true;
    for (const { node } of job.places) this.#queues[node]!.push(job);
  }

  unqueue(job: JobRecord): void {
    if (!job.queued) return;
    job.queued = false;
    for (const { node } of job.places) {
      const queue = this.#queues[node]!;
      queue.splice(queue.indexOf(job), 1);
    }
  }

  #fits({ node, gpus, devices }: Share): boolean {
    if (this.#held[node]! + gpus > this.#nodes[node]!.gpus) return false;
    const used = devices === undefined ? undefined : this.#devices.get(node);
    return used === undefined || !devices!.some((device) => used.has(device));
  }

  #hold({ node, devices }: Share, gpus: number): void {
    this.#held[node]! += gpus;
    if (devices === undefined) return;
    const used = this.#devices.get(node) ?? new Set();
    for (const device of devices) gpus > 0 ? used.add(device) : used.delete(device);
    this.#devices.set(node, used);
  }
}
