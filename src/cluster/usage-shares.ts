/** How much each tenant has used of late, and the fair-share factor that follows: Slurm's classic 2^(-usage / share). */

import type { Seconds } from "../time/clock.ts";
import type { ClusterView } from "./decision.ts";
import { gpusIn } from "./node.ts";

export class UsageShares {
  readonly #halfLife: Seconds;
  readonly #used = new Map<string, number>();
  #at: Seconds = 0;
  #all = 0;

  constructor(halfLife: Seconds) {
    this.#halfLife = halfLife;
  }

  /** Charges what ran since the last time, as it runs now. */
  sync({ now, running, arrived }: ClusterView): void {
    const passed = now - this.#at;
    this.#at = now;
    for (const { spec } of arrived) if (!this.#used.has(spec.tenant)) this.#used.set(spec.tenant, 0);
    if (passed === 0) return;
    const kept = 2 ** (-passed / this.#halfLife);
    for (const [tenant, used] of this.#used) this.#used.set(tenant, used * kept);
    this.#all *= kept;
    for (const { spec, places } of running) {
      const used = passed * gpusIn(places);
      this.#used.set(spec.tenant, (this.#used.get(spec.tenant) ?? 0) + used);
      this.#all += used;
    }
  }

  /** 1 for a tenant that has used nothing, 1/2 for one that has used its share, less for one that has used more. */
  factor(tenant: string): number {
    if (this.#all === 0) return 1;
    return 2 ** ((-(this.#used.get(tenant) ?? 0) / this.#all) * this.#used.size);
  }
}
