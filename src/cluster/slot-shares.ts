/**
 * Who gets how many GPUs until the next slot or later: ElasticFlow as its published simulator decides it. Minimum shares by deadline,
 * all that have just come or none of them, and then spare GPUs one size at a time.
 */
import type { Seconds } from "../time/clock.ts";
import { afresh, placed } from "./buddies.ts";
import type { ClusterView } from "./decision.ts";
import { type Need, needOf, throughputSizes } from "./forecast.ts";
import type { JobId, JobView } from "./job.ts";
import { presentOf } from "./kept-order.ts";
import type { PlannedEnd, Scaling } from "./scaling.ts";
import { costOf, gpusAt, nextSize, SlotForecast, type SlotPlan, slotsUntilEnd } from "./slots.ts";

/** Deadlines are seconds from now. */
interface Candidate {
  readonly job: JobView;
  readonly need: Need;
}

interface SlotShares {
  /** In the order in which those of a size are placed. */
  readonly gpus: ReadonlyMap<JobView, number>;
  readonly rejected: readonly JobView[];
  readonly plans: readonly Share[];
  /** Slots until a plan gives somebody another size, where nobody ends before. */
  readonly change: number | undefined;
}

interface Share extends Candidate {
  /** Its minimum share. */
  readonly least: SlotPlan;
  plan: SlotPlan;
  gpus: number;
  /** With the next size, if it was given. */
  larger: { readonly gpus: number; readonly plan: SlotPlan } | undefined;
  /** GPU-slots that each further GPU costs. */
  cost: number;
}

interface SlotRules {
  readonly slot: Seconds;
  /** Part of the time to a deadline that is kept back. */
  readonly reserve: number;
  /** With whose plan a job's work is said to end: that of its minimum share, or that with the spare GPUs that it got. */
  readonly endsWith: "minimum" | "spare";
}

/** Decides in slots. */
export function inSlots({ slot, reserve, endsWith }: SlotRules): Scaling {
  let rejected: readonly JobId[] = [];
  let wake: Seconds | undefined;
  const ends = new Map<JobId, PlannedEnd>();
  // Equal deadlines, as those of jobs without one: whoever was given more stands first, and who is new last.
  let order: readonly JobId[] = [];
  return {
    unnamed: "held",
    sizes(view) {
      const fresh = new Set(view.arrived.filter(({ state }) => state === "waiting"));
      const old = presentOf(order, view).filter((job) => !fresh.has(job));
      const candidates = (jobs: Iterable<JobView>) => Array.from(jobs, (job) => candidate(view, job, reserve));
      const shares = slotShares(view.nodes.total(), slot, candidates(old), candidates(fresh));
      order = [...shares.gpus].sort(([, a], [, b]) => b - a).map(([{ spec }]) => spec.id);
      ends.clear();
      for (const { job, plan, least } of shares.plans) {
        const { seconds } = endsWith === "minimum" ? least : plan;
        ends.set(job.spec.id, { work: view.now + seconds, slot: view.now + slotsUntilEnd(plan) * slot });
      }
      rejected = shares.rejected.map(({ spec }) => spec.id);
      wake = shares.change === undefined ? undefined : view.now + shares.change * slot;
      return placed(view, shares.gpus, afresh);
    },
    rejected: () => rejected,
    wake: () => wake,
    plannedEnd: (id) => ends.get(id),
  };
}

function candidate(view: ClusterView, job: JobView, reserve: number): Candidate {
  const need = needOf(view, job, reserve);
  // No size is left out for being slower than a smaller one.
  return { job, need: { ...need, sizes: throughputSizes(view.nodes, job), deadline: need.deadline - view.now } };
}

function slotShares(total: number, slot: Seconds, old: readonly Candidate[], fresh: readonly Candidate[]): SlotShares {
  const withAll = promise(total, slot, [...old, ...fresh]);
  const refused =
    fresh.length > 0 && withAll.shares.some(({ plan, need }) => plan.seconds > need.deadline)
      ? fresh.filter(({ need }) => need.deadline < Number.POSITIVE_INFINITY)
      : [];
  const { shares, forecast } =
    refused.length === 0
      ? withAll
      : promise(total, slot, [...old, ...fresh.filter((candidate) => !refused.includes(candidate))]);
  const line = dealSpare(shares, forecast);
  const change = Math.min(...shares.map(({ plan }) => nextSize(plan) ?? Number.POSITIVE_INFINITY));
  const end = Math.min(...shares.map(({ plan }) => slotsUntilEnd(plan)));
  return {
    gpus: new Map(line.map(({ job, gpus }) => [job, gpus])),
    plans: shares,
    rejected: refused.map(({ job }) => job),
    change: change < end ? change : undefined,
  };
}

function promise(total: number, slot: Seconds, candidates: readonly Candidate[]) {
  const forecast = new SlotForecast(slot, total);
  const shares = [...candidates]
    .sort((a, b) => a.need.deadline - b.need.deadline)
    .map((candidate): Share => {
      const plan = forecast.minimumShare(candidate.need);
      forecast.take(plan);
      const gpus = gpusAt(plan, 0);
      return { ...candidate, least: plan, plan, gpus, larger: undefined, cost: Number.NEGATIVE_INFINITY };
    });
  return { shares, forecast };
}

/** The next size goes to who has nothing, and else to whom it costs the most. Returns the jobs by what that would be now. */
function dealSpare(shares: readonly Share[], forecast: SlotForecast): readonly Share[] {
  let line = shares;
  if (forecast.freeNow === 0) return line;
  let ahead = forecast;
  for (;;) {
    for (const share of line) price(share, ahead);
    // What is compared last decides among equals: the order is kept from one size to the next.
    line = line.toSorted((a, b) => (a.cost === b.cost ? 0 : b.cost - a.cost));
    const next = line.find(({ larger }) => larger !== undefined);
    if (next?.larger === undefined) return line;
    ahead = ahead.without(next.plan);
    ahead.take(next.larger.plan);
    next.plan = next.larger.plan;
    next.gpus = next.larger.gpus;
  }
}

function price(share: Share, forecast: SlotForecast): void {
  const { need, gpus, plan } = share;
  const size = need.sizes.find((one) => one.gpus > gpus);
  share.larger = undefined;
  // Who has its largest size keeps the place in the line that the last step gave it.
  if (size === undefined) return;
  share.cost = Number.NEGATIVE_INFINITY;
  if (size.gpus - gpus > forecast.freeNow) return;
  const larger = forecast.without(plan).startingWith(size.gpus, need);
  share.larger = { gpus: size.gpus, plan: larger };
  share.cost = gpus === 0 ? Number.POSITIVE_INFINITY : (costOf(larger) - costOf(plan)) / (size.gpus - gpus);
}
