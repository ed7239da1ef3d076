/** Gangs of one size on the same nodes, so that what one leaves is what the next of its kind needs. */
import type { JobId } from "../job.ts";
import type { Share } from "../node.ts";
import { fitsHost, placement, spread } from "../placement.ts";

export default placement({
  title: "Affinity",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  rows: ["gandiva"],
  idea: "Put a gang on the least loaded node whose jobs have its size, else on one that has none, else on any that has room, else on as few nodes as it takes.",
  differs: [
    "A node is not given more jobs than it has GPUs: jobs beyond that take turns (`gandiva`), wherever there is room then (Alg. 1 of the paper fixes the server).",
    "A gang wider than a node goes to the emptiest nodes; the affinity of its nodes is what it has of each.",
    "Measured against the emptiest node first; best fit (`consolidated`) does as well on the rig.",
  ],
  options: {},
  claim: { metric: "averageJct", better: "lower", than: "least-allocated", on: "locality", factor: 1.05, where: "sim" },

  create() {
    const affinities = new Affinities();
    return {
      place({ spec }, gpus, nodes, type) {
        const types = type === undefined ? spec.types : [type];
        let [best, bestRank] = [-1, 3];
        for (let free = nodes.gpusMax; free >= Math.max(1, gpus); free--) {
          for (const of of types ?? [undefined]) {
            for (const node of nodes.withFree(free, of)) {
              const affinity = affinities.of(node);
              const rank = affinity === gpus ? 0 : affinity === undefined ? 1 : 2;
              if (rank >= bestRank || !fitsHost(nodes, spec, node)) continue;
              [best, bestRank] = [node, rank];
              // Nodes come with the least loaded first.
              if (rank === 0) break;
            }
          }
          if (bestRank === 0) break;
        }
        const on = bestRank === 3 ? spread(nodes, spec, gpus, types, true) : [{ node: best, gpus }];
        if (on !== undefined) affinities.take(spec.id, on);
        return on && { on };
      },
      taken: ({ spec }, on) => affinities.take(spec.id, on),
      freed: (job) => affinities.free(job),
      handed: (from, to) => affinities.hand(from, to),
    };
  },
});

/** The size of the jobs on a node: that of the first which came when it was empty. */
class Affinities {
  readonly #jobs = new Map<JobId, readonly Share[]>();
  readonly #nodes: ({ readonly gpus: number; jobs: number } | undefined)[] = [];

  of(node: number): number | undefined {
    return this.#nodes[node]?.gpus;
  }

  take(job: JobId, on: readonly Share[]): void {
    this.#jobs.set(job, on);
    for (const { node, gpus } of on) {
      const affinity = this.#nodes[node];
      if (affinity === undefined) this.#nodes[node] = { gpus, jobs: 1 };
      else affinity.jobs++;
    }
  }

  free(job: JobId): void {
    for (const { node } of this.#jobs.get(job) ?? []) {
      const affinity = this.#nodes[node]!;
      if (--affinity.jobs === 0) this.#nodes[node] = undefined;
    }
    this.#jobs.delete(job);
  }

  hand(from: JobId, to: JobId): void {
    const on = this.#jobs.get(from);
    if (on === undefined) return;
    this.#jobs.delete(from);
    this.#jobs.set(to, on);
  }
}
