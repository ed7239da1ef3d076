/**
 * What is really there: GPUs that runs hold until they have left, while the plan (`nodes.ts`) has given them to others already.
 * Those others are queued here, by the nodes that they wait for.
 */
import type { Group, JobRecord } from "./job-record.ts";
import type { NodeSpec, Share } from "./node.ts";

const nobody: readonly JobRecord[] = [];

export class Occupancy {
  readonly #nodes: readonly NodeSpec[];
  readonly #held: Int32Array;
  readonly #totals = new Map<string, number>();
  #total = 0;
  /** Devices in use, of nodes where places name them. */
  readonly #devices = new Map<number, Set<number>>();
  /** By node, in the order in which they came. */
  readonly #queues: JobRecord[][];

  constructor(nodes: readonly NodeSpec[]) {
    this.#nodes = nodes;
    this.#held = new Int32Array(nodes.length);
    this.#queues = nodes.map(() => []);
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
