/**
 * Jobs that wait for cells and hold them, with nothing else around: each that waits is tried in turn whenever something changes. It
 * shows what a configuration of cells does with jobs, step by step.
 */
import { type CellRequest, Cells } from "./cells.ts";
import type { CellConfig } from "./config.ts";

export interface HeldGpu {
  readonly node: string;
  readonly device: number;
}

/** What a step did to one group of tasks. */
export type CellNews =
  | { readonly kind: "runs"; readonly job: string; readonly guaranteed: boolean; readonly on: readonly HeldGpu[] }
  | { readonly kind: "evicted"; readonly job: string; readonly by: string }
  /** It goes on, on cells that are its tenant's no more. */
  | { readonly kind: "demoted"; readonly job: string }
  | { readonly kind: "waits"; readonly job: string; readonly why: string };

interface Run {
  readonly request: CellRequest;
  readonly places: readonly HeldGpu[];
}

export class CellQueue {
  /** Nodes on which nothing may start. */
  readonly bad = new Set<string>();
  readonly waiting: CellRequest[] = [];
  readonly running = new Map<string, Run>();
  readonly #lazyPreemption: boolean;
  #config: CellConfig;
  #cells: Cells;

  /** Throws a `UserError` where virtual clusters own more than there is. */
  constructor(config: CellConfig, { lazyPreemption = false } = {}) {
    this.#lazyPreemption = lazyPreemption;
    this.#config = config;
    this.#cells = this.#open();
  }

  submit(requests: readonly CellRequest[]): readonly CellNews[] {
    this.waiting.push(...requests);
    return this.schedule();
  }

  /** Another configuration: jobs that run are counted on it as far as it has their GPUs. */
  restart(config: CellConfig): readonly CellNews[] {
    const before = this.#guaranteed();
    this.#config = config;
    this.#cells = this.#open();
    for (const { request, places } of this.running.values()) this.#cells.adopt(request, places);
    const demoted = this.#demoted(before);
    return [...demoted, ...this.schedule()];
  }

  /** Tries all who wait, in the order in which they came; who is evicted waits at the end, and is tried the next time. */
  schedule(): readonly CellNews[] {
    const news: CellNews[] = [];
    for (const request of this.waiting.splice(0)) {
      const { job } = request;
      const before = this.#guaranteed();
      const grant = this.#cells.place(request);
      if (grant === undefined) {
        this.waiting.push(request);
        news.push({ kind: "waits", job, why: this.#why(request) });
        continue;
      }
      for (const other of grant.evict) {
        this.waiting.push(this.running.get(other)!.request);
        this.running.delete(other);
        news.push({ kind: "evicted", job: other, by: job });
      }
      const places = grant.leaves.map(({ node, device }) => ({ node: node!, device: device! }));
      this.running.set(job, { request, places });
      news.push({ kind: "runs", job, guaranteed: this.isGuaranteed(job), on: places }, ...this.#demoted(before));
    }
    return news;
  }

  /** Of the configuration as it is now. */
  get nodes(): ReadonlySet<string> {
    return new Set(this.#cells.leaves.flatMap(({ node }) => node ?? []));
  }

  isGuaranteed = (job: string): boolean => this.#cells.isGuaranteed(job);

  #open(): Cells {
    return this.#empty((node) => !this.bad.has(node));
  }

  #empty(usable: (node: string) => boolean): Cells {
    return new Cells(this.#config, { lazyPreemption: this.#lazyPreemption, usable });
  }

  #guaranteed(): readonly string[] {
    return [...this.running.keys()].filter(this.isGuaranteed);
  }

  #demoted(before: readonly string[]): CellNews[] {
    const lost = before.filter((job) => this.running.has(job) && !this.isGuaranteed(job));
    return lost.map((job) => ({ kind: "demoted", job }));
  }

  #why(request: CellRequest): string {
    const { tenant, priority, pinned } = request;
    if (priority >= 0 && !this.#cells.owns(tenant)) return `${tenant} owns no cells`;
    const what = pinned === undefined ? `the cells of ${tenant}` : `the pinned cell ${pinned}`;
    const whole = priority < 0 ? "all GPUs" : what;
    if (this.#empty(() => true).place(request) === undefined) return `it asks for more than ${whole} hold`;
    if (this.#open().place(request) === undefined)
      return `${whole} are on nodes that are bad: ${[...this.bad].join(", ")}`;
    const others = [...this.running.values()].filter(
      ({ request: { job, tenant: owner } }) => priority < 0 || (owner === tenant && this.isGuaranteed(job)),
    );
    return `${whole} are taken by ${others.map(({ request: { job } }) => job).join(", ")}`;
  }
}
