/**
 * Two jobs on the same GPUs where neither keeps them busy: tried while others wait, measured, and undone where both together do
 * less than they would in turn.
 */
import type { ClusterView } from "../decision.ts";
import type { JobId, JobView } from "../job.ts";
import { RankOrder } from "../rank-order.ts";
import { fitting, type Group, regroup } from "../regroup.ts";
import { sharing } from "../sharing.ts";
import { Rates } from "./packing/rates.ts";

export default sharing({
  title: "Packing by measured rates",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  rows: ["gandiva"],
  idea: "While jobs wait, put the job that keeps its GPUs least busy beside the one of its size that does so next; watch how fast both go, keep them together if that is more than in turn, else part them for good and try the next.",
  differs: [
    "Two jobs on a GPU at most, of the same number of GPUs (the paper: more where they fit).",
    "The memory of GPUs is not known here: two that do not fit make no progress together, and are parted.",
    "Utilisation and progress are what the launcher tells in the job's outlook; jobs it tells neither of run alone. On real clusters both come from the steady model until jobs report them.",
    "No more pairs are tried than let everybody run who waits.",
  ],
  options: {
    trial: { default: 120, unit: "seconds", min: 1, help: "How long two jobs are watched before they stay or part." },
    look: {
      default: 15,
      unit: "seconds",
      min: 1,
      help: "Between two looks at the progress of who was not measured yet.",
    },
    gain: {
      default: 1,
      unit: "speeds alone",
      min: 0,
      help: "What both must do together, in parts of their speeds alone.",
    },
    busy: {
      default: 0.9,
      unit: "of the time",
      min: 0,
      help: "A job that keeps its GPUs busier than this is not tried.",
    },
  },
  claim: {
    metric: "averageJct",
    better: "lower",
    than: "exclusive",
    on: "low-utilisation",
    factor: 1.12,
    where: "sim",
  },

  create({ trial, look, gain, busy }) {
    const rates = new Rates();
    const order = new RankOrder();
    /** Pairs that were slower than in turn. */
    const parted = new Map<JobId, Set<JobId>>();
    const isParted = (a: JobView, b: JobView): boolean => parted.get(a.spec.id)?.has(b.spec.id) ?? false;

    /** Who is together already, as far as it is worth it or not known yet. */
    function standing(view: ClusterView): Map<JobView, JobView> {
      const mates = new Map<JobView, JobView>();
      for (const job of view.running) {
        const [id] = job.beside;
        if (id === undefined || mates.has(job)) continue;
        const mate = view.job(id);
        const together = rates.together(job, mate, trial);
        if (together !== undefined && together <= gain) part(parted, job, mate);
        else mates.set(job, mate).set(mate, job);
      }
      return mates;
    }

    return {
      jobsMax: 2,
      share(view, decision) {
        const jobs = order.of(view, decision);
        rates.observe(view);
        for (const { spec } of view.ended) parted.delete(spec.id);
        const shares = someShare(view);
        const mates = shares ? standing(view) : new Map<JobView, JobView>();
        if (!shares && (view.waitingCount === 0 || !rates.knowsAny)) return decision;
        const ranked = [...jobs];
        const lacking = demand(ranked, mates) - view.nodes.total();
        if (lacking > 0) pairUp(lacking, ranked, mates, (job) => measured(job, rates, busy), isParted);
        else partSpare(-lacking, mates);
        const isUnseen = (job: JobView): boolean =>
          job.outlook?.utilisation !== undefined &&
          (mates.has(job) ? rates.together(job, mates.get(job)!, trial) : rates.alone(job)) === undefined;
        // Who starts now is not running yet; it was measured if it ran in this company before.
        const watched = (lacking > 0 || mates.size > 0) && ranked.some(isUnseen);
        const wake = Math.min(decision.wake ?? Number.POSITIVE_INFINITY, view.now + look);
        const woken = watched ? { ...decision, wake } : decision;
        if (mates.size === 0 && !shares) return woken;
        const { stop, start } = regroup(view, fitting(view, groupsOf(ranked, mates)), { gently: true });
        return { ...woken, stop, start, strict: false };
      },
    };
  },
});

function someShare({ running }: ClusterView): boolean {
  for (const { beside } of running) if (beside.length > 0) return true;
  return false;
}

/** The part of the time that the job keeps its GPUs busy, of one that may be tried; `undefined` of others. */
function measured(job: JobView, rates: Rates, busy: number): number | undefined {
  const utilisation = job.outlook?.utilisation;
  return utilisation === undefined || utilisation > busy || rates.alone(job) === undefined ? undefined : utilisation;
}

/** GPUs on which all of these could run. */
function demand(ranked: readonly JobView[], mates: ReadonlyMap<JobView, JobView>): number {
  let gpus = 0;
  for (const job of ranked) gpus += mates.has(job) ? job.gpus / 2 : job.gpus;
  return gpus;
}

/** Who shares GPUs although others are free is parted, as far as these suffice. */
function partSpare(spare: number, mates: Map<JobView, JobView>): void {
  let left = spare;
  for (const [job, mate] of mates) {
    if (job.gpus > left || !mates.has(job)) continue;
    left -= job.gpus;
    mates.delete(job);
    mates.delete(mate);
  }
}

/** Adds pairs, the least busy first, until all that are ranked would fit. */
function pairUp(
  lacking: number,
  ranked: readonly JobView[],
  mates: Map<JobView, JobView>,
  utilisationOf: (job: JobView) => number | undefined,
  isParted: (a: JobView, b: JobView) => boolean,
): void {
  let left = lacking;
  const candidates = ranked
    .filter((job) => !mates.has(job))
    .flatMap((job) => {
      const utilisation = utilisationOf(job);
      return utilisation === undefined ? [] : [{ job, utilisation }];
    })
    .sort((a, b) => a.utilisation - b.utilisation)
    .map(({ job }) => job);
  for (const [i, job] of candidates.entries()) {
    if (left <= 0) return;
    if (mates.has(job)) continue;
    const other = candidates.find(
      (mate, j) => j > i && !mates.has(mate) && mate.gpus === job.gpus && alike(job, mate) && !isParted(job, mate),
    );
    if (other === undefined) continue;
    mates.set(job, other).set(other, job);
    left -= job.gpus;
  }
}

const alike = (a: JobView, b: JobView): boolean => a.spec.types?.join() === b.spec.types?.join();

/** A pair at the place of its first. */
function groupsOf(ranked: readonly JobView[], mates: ReadonlyMap<JobView, JobView>): readonly Group[] {
  const seen = new Set<JobView>();
  const groups: Group[] = [];
  for (const job of ranked) {
    if (seen.has(job)) continue;
    const mate = mates.get(job);
    if (mate !== undefined) seen.add(mate);
    groups.push(mate === undefined ? [job] : [job, mate]);
  }
  return groups;
}

function part(parted: Map<JobId, Set<JobId>>, a: JobView, b: JobView): void {
  for (const [one, other] of [
    [a.spec.id, b.spec.id],
    [b.spec.id, a.spec.id],
  ] as const) {
    parted.set(one, (parted.get(one) ?? new Set()).add(other));
  }
}
