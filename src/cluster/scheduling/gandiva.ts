/**
 * Time slicing: nobody waits for a cluster to empty. Jobs that ask for more GPUs than there are take turns, a quantum each, and
 * are suspended where their state on the GPU is smallest, between mini-batches.
 */
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { fitting, regroup } from "../regroup.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "Gandiva",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  rows: ["gandiva"],
  idea: "Let all jobs take turns on the GPUs in quanta of a minute, whoever has waited longest since its last turn next, and move jobs so that gangs fit.",
  differs: [
    "Suspension at the least memory of a mini-batch is the launcher's: a stop is asked for, and the job leaves when it has saved its state.",
    "Packing by measured rates and grow-shrink are not decided here; sharing entries and `range` with a scaling entry combine with it.",
    "Jobs of all sizes take turns in one queue (paper: by size class of nodes); a gang that does not fit into what is left lets smaller ones by until the next turn.",
  ],
  options: { quantum: { default: 60, unit: "seconds", min: 1, help: "How long a turn lasts while others wait." } },
  claim: { metric: "fairnessWorst", better: "lower", than: "fifo", on: "batch", factor: 8, where: "sim" },

  create({ quantum }) {
    /** When each job's last turn began; jobs that never had one are not in it. */
    const turns = new Map<JobId, number>();
    return {
      decide(view) {
        for (const { spec } of view.ended) turns.delete(spec.id);
        const order = inTurn(view, turns, quantum);
        const chosen = fitting(
          view,
          order.map((job) => [job]),
        );
        for (const [job] of chosen) {
          const began = turns.get(job!.spec.id);
          // A job that goes on has its next turn right after the last.
          if (job!.places.length === 0 || began === undefined || view.now - began >= quantum)
            turns.set(job!.spec.id, view.now);
        }
        const decision = { ...regroup(view, chosen), order: order.map(({ spec }) => spec.id) };
        const somebodyWaits = chosen.length < order.length;
        return somebodyWaits ? { ...decision, wake: nextEnd(view.now, chosen.flat(), turns, quantum) } : decision;
      },
    };
  },
});

/** Who is in the middle of a turn goes on; then those who wait, the longest first; last those whose turn is over. */
function inTurn(view: ClusterView, turns: ReadonlyMap<JobId, number>, quantum: number): JobView[] {
  const running = [...view.running];
  const began = (job: JobView): number => turns.get(job.spec.id) ?? view.now;
  const over = (job: JobView): boolean => view.now - began(job) >= quantum;
  const waiting = [...view.waiting].sort((a, b) => a.waitingSince - b.waitingSince);
  return [
    ...running.filter((job) => !over(job)),
    ...waiting,
    ...running.filter(over).sort((a, b) => began(a) - began(b)),
  ];
}

function nextEnd(now: number, chosen: readonly JobView[], turns: ReadonlyMap<JobId, number>, quantum: number): number {
  const ends = chosen.map(({ spec }) => (turns.get(spec.id) ?? now) + quantum).filter((end) => end > now);
  return ends.length === 0 ? now + quantum : Math.min(...ends);
}
