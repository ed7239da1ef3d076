/** Asks the policies of a decision in their order, and puts their answers together. */
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import type { JobRecord, Moment, Sizes } from "./job-record.ts";
import type { NodesView } from "./node.ts";
import type { ClusterPolicy } from "./policy.ts";
import { type Counted, emptied, given, resized } from "./resize.ts";
import type { Size } from "./scaling.ts";

/** What there is to decide about. */
export interface Situation {
  readonly nodes: NodesView;
  readonly waiting: Counted<JobRecord>;
  readonly running: Counted<JobRecord>;
  readonly moment: Moment;
  readonly news: News;
  readonly round?: Seconds;
  job(id: JobId): JobRecord;
}

/** What has changed since the last decision. */
export interface News {
  readonly arrived: readonly JobView[];
  readonly ended: readonly JobView[];
  readonly requeued: readonly JobView[];
}

export interface Answer {
  readonly decision: Decision;
  /** By scaling, beside those that the decision rejects. */
  readonly rejected: readonly JobId[];
  /** As scheduling had it, before sharing. */
  readonly chosen: readonly Start[];
}

export const asRequested: Sizes = { named: new Map(), unnamed: "kept", answer: 0 };

const givenNothing = (id: JobId): [JobId, Size] => [id, { gpus: 0 }];

/** Leaves the sizes that it was answered in the moment: placement sees them too. */
export function consult({ scaling, scheduling, sharing }: ClusterPolicy, situation: Situation): Answer {
  const { moment, running, job } = situation;
  const { answer } = moment.sizes;
  moment.sizes = { ...asRequested, answer: answer + 1 };
  const { unnamed = "kept" } = scaling;
  const { gpuless } = moment;
  let named = scaling.sizes(seenByScaling(situation));
  for (const { spec } of situation.news.ended) if (spec.gpus === 0) gpuless.delete(job(spec.id));
  // Where it is not kept, what a job asks for is said.
  if (gpuless.size > 0 && unnamed !== "kept")
    named = new Map([...named, ...Array.from(gpuless, ({ spec }) => givenNothing(spec.id))]);
  const rejected = scaling.rejected?.() ?? [];
  moment.sizes = {
    // Who was rejected gets nothing, and the other policies do not see it.
    named: rejected.length === 0 ? named : new Map<JobId, Size>([...named, ...rejected.map(givenNothing)]),
    unnamed,
    answer: answer + 2,
  };
  const { sizes } = moment;
  const view = viewOf(situation, sizes);
  const scheduled = scheduling.decide(view);
  const resizing = { job, running, sizes, gone: new Set(rejected) };
  const decision = view.sized ? resized(scheduled, resizing) : scheduled;
  const shared = sharing.share(view, decision);
  const whole = shared === decision ? decision : emptied(withoutOffer(shared), resizing);
  if (sizes.unnamed === "held") nameMoved(whole, situation);
  return { decision: whole, rejected, chosen: scheduled.start };
}

/** What scaling sees: it deals GPUs, and who asks for none has what it asks for. */
function seenByScaling(situation: Situation): ClusterView {
  const view = viewOf(situation, asRequested);
  const { gpuless } = situation.moment;
  if (gpuless.size === 0) return view;
  const count = (all: Counted<JobRecord>): number => {
    let size = all.size;
    for (const { list } of gpuless) if (list === all) size--;
    return size;
  };
  const counts = { waitingCount: count(situation.waiting), runningCount: count(situation.running) };
  const jobs = { waiting: withGpus(view.waiting), running: withGpus(view.running) };
  const news = {
    arrived: [...withGpus(view.arrived)],
    ended: [...withGpus(view.ended)],
    requeued: [...withGpus(view.requeued)],
  };
  return { ...view, ...counts, ...jobs, ...news };
}

const withGpus = (jobs: Iterable<JobView>): Iterable<JobView> => ({
  *[Symbol.iterator]() {
    for (const job of jobs) if (job.spec.gpus > 0) yield job;
  },
});

/** Who is stopped holds nothing any more when it is started elsewhere. */
function nameMoved({ start }: Decision, { moment, job }: Situation): void {
  const { named, unnamed, answer } = moment.sizes;
  const moved = start.filter((wish) => !named.has(wish.job) && job(wish.job).held > 0);
  if (moved.length === 0) return;
  const held = moved.map((wish): [JobId, Size] => [wish.job, { gpus: job(wish.job).held }]);
  moment.sizes = { named: new Map([...named, ...held]), unnamed, answer: answer + 1 };
}

const withoutOffer = ({ offer: _, ...rest }: Decision): Decision => rest;

function viewOf(situation: Situation, sizes: Sizes): ClusterView {
  const { nodes, moment, news, round, job } = situation;
  const sized = sizes.named.size > 0 || (sizes.unnamed !== "kept" && anybody(situation));
  const waiting = sized ? given(situation.waiting, sizes, job, false) : situation.waiting;
  const running = sized ? given(situation.running, sizes, job, true) : situation.running;
  return {
    now: moment.now,
    nodes,
    waiting,
    waitingCount: waiting.size,
    running,
    runningCount: running.size,
    ...news,
    sized,
    job,
    ...(round === undefined ? {} : { round }),
  };
}

const anybody = ({ waiting, running }: Situation): boolean => waiting.size + running.size > 0;
