/** Asks the policies of a decision in their order, and puts their answers together. */
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import type { JobId, JobView } from "./job.ts";
import type { JobRecord, Moment } from "./job-record.ts";
import type { NodesView } from "./node.ts";
import type { ClusterPolicy } from "./policy.ts";
import { type Counted, emptied, resized, without } from "./resize.ts";
import type { Size } from "./scaling.ts";

/** What there is to decide about. */
export interface Situation {
  readonly nodes: NodesView;
  readonly waiting: Counted<JobRecord>;
  readonly running: Counted<JobRecord>;
  readonly moment: Moment;
  readonly news: News;
  readonly round?: Seconds;
  job(id: JobId): JobView;
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

export const asRequested: ReadonlyMap<JobId, Size> = new Map();

const givenNothing = (id: JobId): [JobId, Size] => [id, { gpus: 0 }];

/** Leaves the sizes that it was answered in the moment: placement sees them too. */
export function consult({ scaling, scheduling, sharing }: ClusterPolicy, situation: Situation): Answer {
  const { moment } = situation;
  moment.sizes = asRequested;
  const all = viewOf(situation, asRequested);
  const answered = scaling.sizes(all);
  const rejected = scaling.rejected?.() ?? [];
  // Who was rejected gets nothing, and the other policies do not see it.
  const sizes = rejected.length === 0 ? answered : new Map<JobId, Size>([...answered, ...rejected.map(givenNothing)]);
  moment.sizes = sizes;
  const view = sizes.size === 0 ? all : viewOf(situation, sizes);
  const scheduled = scheduling.decide(view);
  const gone = new Set(rejected);
  const decision = resized(scheduled, situation.job, sizes, gone);
  const shared = sharing.share(view, decision);
  const whole = shared === decision ? decision : emptied(withoutOffer(shared), situation.job, sizes, gone);
  return { decision: whole, rejected, chosen: scheduled.start };
}

const withoutOffer = ({ offer: _, ...rest }: Decision): Decision => rest;

function viewOf(situation: Situation, sizes: ReadonlyMap<JobId, Size>): ClusterView {
  const { nodes, moment, news, round, job } = situation;
  const waiting = without(situation.waiting, sizes);
  const running = without(situation.running, sizes);
  return {
    now: moment.now,
    nodes,
    waiting,
    waitingCount: waiting.size,
    running,
    runningCount: running.size,
    ...news,
    sized: sizes.size > 0,
    job,
    ...(round === undefined ? {} : { round }),
  };
}
