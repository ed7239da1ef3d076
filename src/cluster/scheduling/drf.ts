/** Dominant resource fairness (Ghodsi et al., NSDI 2011), among tenants. */
import type { ClusterView, Start } from "../decision.ts";
import type { JobId, JobSpec, JobView } from "../job.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingLines } from "../waiting-line.ts";

interface Held {
  readonly tenant: string;
  readonly gpus: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

export default scheduling({
  title: "DRF",
  paper: {
    title: "Dominant Resource Fairness: Fair Allocation of Multiple Resource Types",
    venue: "NSDI 2011",
    url: "https://www.usenix.org/conference/nsdi11/dominant-resource-fairness-fair-allocation-multiple-resource-types",
  },
  rows: [],
  idea: "Start next the first job of the tenant whose largest share of any resource (GPUs, CPUs, memory) is least, for as long as it fits.",
  differs: [
    "A tenant whose first job does not fit is passed over until something changes; in the paper's Algorithm 1 nobody starts before it does.",
    "A tenant's weight is that of its first job in the queue.",
  ],
  options: {},
  claim: { metric: "lightTenantJct", better: "lower", than: "fifo", on: "tenants", factor: 1.8, where: "sim" },

  create() {
    const lines = new WaitingLines(({ spec }) => spec.tenant);
    const shares = new Shares();
    return {
      decide(view) {
        shares.sync(view);
        lines.sync(view);
        let free = view.nodes.freeTotal();
        const start: Start[] = [];
        const able = new Set(lines.names());
        while (able.size > 0 && free >= 0) {
          const tenant = shares.poorest(able, (name) => lines.head(name)!.spec);
          const job = lines.head(tenant)!;
          if (job.gpus <= free) {
            free -= job.gpus;
            start.push({ job: job.spec.id });
            shares.charge(job);
            lines.take(job);
          } else able.delete(tenant);
          if (lines.head(tenant) === undefined) able.delete(tenant);
        }
        return { stop: [], start };
      },
    };
  },
});

/** What each tenant holds of each resource. */
class Shares {
  readonly #held = new Map<JobId, Held>();
  readonly #tenants = new Map<string, { gpus: number; cpus: number; memoryBytes: number }>();
  #whole: { readonly gpus: number; readonly cpus: number; readonly memoryBytes: number } | undefined;

  sync({ ended, requeued, nodes }: ClusterView): void {
    for (const { spec } of ended) this.#release(spec.id);
    // One that was only moved has places, and holds what it held.
    for (const { spec, places } of requeued) if (places.length === 0) this.#release(spec.id);
    if (this.#whole?.gpus === nodes.total()) return;
    this.#whole = {
      gpus: nodes.total(),
      cpus: nodes.specs.reduce((n, { cpus }) => n + (cpus ?? Number.POSITIVE_INFINITY), 0),
      memoryBytes: nodes.specs.reduce((n, { memoryBytes }) => n + (memoryBytes ?? Number.POSITIVE_INFINITY), 0),
    };
  }

  charge({ spec, gpus }: JobView): void {
    const { id, tenant, cpus = 0, memoryBytes = 0 } = spec;
    const held = { tenant, gpus, cpus, memoryBytes };
    this.#held.set(id, held);
    this.#add(held, 1);
  }

  /** The tenant whose dominant share is least by its weight; the first of equals. */
  poorest(tenants: Iterable<string>, headOf: (tenant: string) => JobSpec): string {
    let poorest = "";
    let least = Number.POSITIVE_INFINITY;
    for (const tenant of tenants) {
      const share = this.#dominant(tenant) / headOf(tenant).weight;
      if (share < least || poorest === "") [poorest, least] = [tenant, share];
    }
    return poorest;
  }

  #dominant(tenant: string): number {
    const has = this.#tenants.get(tenant);
    const whole = this.#whole!;
    if (has === undefined) return 0;
    const part = (of: number, all: number): number => (of === 0 ? 0 : of / all);
    return Math.max(part(has.gpus, whole.gpus), part(has.cpus, whole.cpus), part(has.memoryBytes, whole.memoryBytes));
  }

  #release(id: JobId): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    this.#held.delete(id);
    this.#add(held, -1);
  }

  #add({ tenant, gpus, cpus, memoryBytes }: Held, sign: 1 | -1): void {
    const has = this.#tenants.get(tenant) ?? { gpus: 0, cpus: 0, memoryBytes: 0 };
    has.gpus += sign * gpus;
    has.cpus += sign * cpus;
    has.memoryBytes += sign * memoryBytes;
    this.#tenants.set(tenant, has);
  }
}
