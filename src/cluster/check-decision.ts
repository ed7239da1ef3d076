/** A decision, checked before anything of it is done. Every error names the policy and the job: it is the policy's bug. */
import { assert } from "../core/errors.ts";
import type { Seconds } from "../time/clock.ts";
import type { Decision, Offered, Start } from "./decision.ts";
import type { JobId } from "./job.ts";
import type { JobRecord } from "./job-record.ts";
import { allows, type NodesView, type Share } from "./node.ts";

export interface DecisionParts {
  /** As it was asked for. */
  readonly policy: string;
  readonly jobs: ReadonlyMap<JobId, JobRecord>;
  readonly nodes: NodesView;
  readonly now: Seconds;
}

export function checkDecision(parts: DecisionParts, decision: Decision, reject: readonly JobId[]): void {
  const { policy, now } = parts;
  const { wake } = decision;
  assert(wake === undefined || wake > now, () => `${policy} asked at ${now} s to be woken at ${wake} s`);
  const gone = new Set<JobId>();
  for (const id of reject) {
    alive(parts, "rejected", id);
    assert(!gone.has(id), () => `${policy} rejected job ${id} twice`);
    gone.add(id);
  }
  const stopped = new Set<JobId>();
  for (const id of decision.stop) {
    const job = alive(parts, "stopped", id);
    assert(job.group !== undefined, () => `${policy} stopped job ${id}, which is ${job.state}`);
    assert(!stopped.has(id), () => `${policy} stopped job ${id} twice`);
    stopped.add(id);
  }
  const started = new Set<JobId>();
  for (const start of decision.start) checkStart(parts, start, gone, stopped, started);
}

function checkStart(
  parts: DecisionParts,
  { job: id, gpus, beside }: Start,
  gone: ReadonlySet<JobId>,
  stopped: ReadonlySet<JobId>,
  started: Set<JobId>,
): void {
  const { policy, jobs } = parts;
  const job = alive(parts, "started", id);
  assert(!gone.has(id), () => `${policy} started job ${id}, and rejected it`);
  assert(!started.has(id), () => `${policy} started job ${id} twice`);
  assert(job.group === undefined || stopped.has(id), () => `${policy} started job ${id}, which is ${job.state}`);
  const asked = gpus ?? job.gpus;
  assert(
    Number.isInteger(asked) && asked >= 0 && (asked > 0 || job.spec.gpus === 0),
    () => `${policy} gave job ${id} ${asked} GPUs`,
  );
  started.add(id);
  if (beside === undefined) return;
  const runs = started.has(beside) || (jobs.get(beside)?.group !== undefined && !stopped.has(beside));
  assert(runs && beside !== id, () => `${policy} started job ${id} beside ${beside}, which does not run`);
}

/** Starts in their order: those that were decided, then those that are offered one by one, while `outcome` tells how the last went. */
export function* wishes(parts: DecisionParts, decision: Decision, outcome: () => Offered): Iterable<Start> {
  yield* decision.start;
  const nobody = new Set<JobId>();
  for (let wish = decision.offer?.(undefined); wish !== undefined; wish = decision.offer?.(outcome())) {
    checkStart(parts, wish, nobody, nobody, new Set());
    yield wish;
  }
}

function alive({ policy, jobs }: DecisionParts, what: string, id: JobId): JobRecord {
  const job = jobs.get(id);
  assert(job !== undefined, () => `${policy} ${what} job ${id}, which nobody submitted`);
  assert(job.outcome === undefined, () => `${policy} ${what} job ${id}, which has ${job.outcome} already`);
  return job;
}

/** Places as a policy chose them, against what is free when the job is to get them. */
export function checkPlaces(
  { policy, nodes }: DecisionParts,
  { spec: { id, types } }: JobRecord,
  gpus: number,
  places: readonly Share[],
  type: string | undefined,
): void {
  let sum = 0;
  for (const [i, share] of places.entries()) {
    const { node, gpus: part, devices } = share;
    const spec = nodes.specs[node];
    const what = (): string => `${policy} placed job ${id} on ${part} GPUs of node ${node}`;
    assert(spec !== undefined && nodes.usable(node), () => `${what()}, which is not there`);
    assert(
      Number.isInteger(part) && part >= 0 && part <= nodes.free(node),
      () => `${what()}; ${nodes.free(node)} are free`,
    );
    assert(type === undefined || spec.type === type, () => `${what()}, a ${spec.type}; it was to run on ${type}`);
    assert(allows(types, spec.type), () => `${what()}, a ${spec.type}: it cannot run there`);
    assert(devices === undefined || devices.length === part, () => `${what()}, and named ${devices?.length} of them`);
    for (let j = 0; j < i; j++) assert(places[j]!.node !== node, () => `${what()} twice`);
    sum += part;
  }
  assert(sum === gpus && places.length > 0, () => `${policy} gave job ${id} ${sum} GPUs where ${gpus} were decided`);
}
