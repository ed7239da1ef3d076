/**
 * What is really there: GPUs that runs hold until they have left, while the plan (`nodes.ts`) has given them to others already.
 * Those others are queued here, by the nodes that they wait for.
 */
import type { Group, JobRecord } from "./job-record.ts";
import type { NodeSpec, Share } from "./node.ts";

export class Occupancy {
  readonly #nodes: readonly NodeSpec[];
  readonly #held: Int32Array;
  readonly #totals = new Map<string, number>();
  #total = 0;
  /** Devices in use, of nodes where places name them. */
  readonly #devices = new Map<number, Set<number>>();
  readonly #queued = new Set<JobRecord>();
  readonly #queues = new Map<number, Set<JobRecord>>();

  constructor(nodes: readonly NodeSpec[]) {
    this.#nodes = nodes;
    this.#held = new Int32Array(nodes.length);
    for (const { type, gpus } of nodes) {
      this.#totals.set(type, (this.#totals.get(type) ?? 0) + gpus);
      this.#total += gpus;
    }
  }

  /** GPUs of all nodes, lost ones included, of these types. */
  total(types: readonly string[] | undefined): number {
    if (types === undefined) return this.#total;
    return types.reduce((n, type) => n + (this.#totals.get(type) ?? 0), 0);
  }

  /** Whether the job can be launched at its place: its last run has left, and so have all others from those GPUs. */
  isFree({ run, group }: JobRecord): boolean {
    if (run !== undefined || group === undefined) return false;
    return group.present > 0 || group.places.every((share) => this.#fits(share));
  }

  enter(group: Group): void {
    if (group.present++ > 0) return;
    for (const share of group.places) this.#hold(share, share.gpus);
  }

  /** Returns jobs that waited for GPUs of the group, if these are free now. */
  exit(group: Group): JobRecord[] {
    if (--group.present > 0) return [];
    for (const share of group.places) this.#hold(share, -share.gpus);
    if (this.#queued.size === 0) return [];
    const [share, ...more] = group.places;
    const here = this.#queues.get(share!.node);
    if (more.length === 0) return here === undefined ? [] : [...here];
    return [...new Set(group.places.flatMap(({ node }) => [...(this.#queues.get(node) ?? [])]))];
  }

  isQueued(job: JobRecord): boolean {
    return this.#queued.has(job);
  }

  queue(job: JobRecord): void {
    this.#queued.add(job);
    for (const { node } of job.places) {
      const queue = this.#queues.get(node);
      if (queue === undefined) this.#queues.set(node, new Set([job]));
      else queue.add(job);
    }
  }

  unqueue(job: JobRecord): void {
    if (!this.#queued.delete(job)) return;
    for (const { node } of job.places) {
      const queue = this.#queues.get(node)!;
      queue.delete(job);
      if (queue.size === 0) this.#queues.delete(node);
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
