/** A decision, checked before anything of it is done. Every error names the policy and the job: it is the policy's bug. */
import { assert, bug } from "../core/errors.ts";
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
  /** Counts what was checked: marks on jobs (`JobRecord.asked`) of an older check are void. */
  readonly checks: { made: number };
}

/** What a decision asks of a job, in bits below the number of its check. */
const rejecting = 1;
const stopping = 2;
const starting = 4;
const bits = 8;

const asks = ({ asked }: JobRecord, check: number, what: number): boolean =>
  asked >= check * bits && (asked & what) !== 0;

function mark(job: JobRecord, check: number, what: number): void {
  job.asked = Math.max(job.asked, check * bits) + what;
}

export function checkDecision(parts: DecisionParts, decision: Decision, reject: readonly JobId[]): void {
  const { policy, now } = parts;
  const { wake } = decision;
  assert(wake === undefined || wake > now, () => `${policy} asked at ${now} s to be woken at ${wake} s`);
  const check = ++parts.checks.made;
  for (const id of reject) {
    const job = alive(parts, "rejected", id);
    assert(!asks(job, check, rejecting), () => `${policy} rejected job ${id} twice`);
    mark(job, check, rejecting);
  }
  for (const id of decision.stop) checkStop(parts, id, check);
  for (const start of decision.start) checkStart(parts, start, check);
}

function checkStop(parts: DecisionParts, id: JobId, check: number): void {
  const { policy } = parts;
  const job = alive(parts, "stopped", id);
  if (job.group === undefined) bug(`${policy} stopped job ${id}, which is ${job.state}`);
  if (asks(job, check, stopping)) bug(`${policy} stopped job ${id} twice`);
  mark(job, check, stopping);
}

function checkStart(parts: DecisionParts, { job: id, gpus, beside }: Start, check: number): void {
  const { policy, jobs } = parts;
  const job = alive(parts, "started", id);
  if (asks(job, check, rejecting)) bug(`${policy} started job ${id}, and rejected it`);
  if (asks(job, check, starting)) bug(`${policy} started job ${id} twice`);
  if (job.group !== undefined && !asks(job, check, stopping)) bug(`${policy} started job ${id}, which is ${job.state}`);
  const asked = gpus ?? job.gpus;
  if (!Number.isInteger(asked) || asked < 0 || (asked === 0 && job.spec.gpus !== 0)) {
    bug(`${policy} gave job ${id} ${asked} GPUs`);
  }
  mark(job, check, starting);
  if (beside === undefined) return;
  const mate = jobs.get(beside);
  const runs =
    mate !== undefined && (asks(mate, check, starting) || (mate.group !== undefined && !asks(mate, check, stopping)));
  if (!runs || beside === id) bug(`${policy} started job ${id} beside ${beside}, which does not run`);
}

/** Starts in their order: those that were decided, then those that are offered one by one, while `outcome` tells how the last went. */
export function* wishes(parts: DecisionParts, decision: Decision, outcome: () => Offered): Iterable<Start> {
  yield* decision.start;
  for (let wish = decision.offer?.(undefined); wish !== undefined; wish = decision.offer?.(outcome())) {
    checkStart(parts, wish, ++parts.checks.made);
    yield wish;
  }
}

function alive({ policy, jobs }: DecisionParts, what: string, id: JobId): JobRecord {
  const job = jobs.get(id);
  if (job === undefined) bug(`${policy} ${what} job ${id}, which nobody submitted`);
  if (job.outcome !== undefined) bug(`${policy} ${what} job ${id}, which has ${job.outcome} already`);
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
  for (let i = 0; i < places.length; i++) {
    const wrong = wrongShare(nodes, places, i, types, type);
    const { node, gpus: part } = places[i]!;
    if (wrong !== undefined) bug(`${policy} placed job ${id} on ${part} GPUs of node ${node}${wrong}`);
    sum += part;
  }
  if (sum !== gpus || places.length === 0) bug(`${policy} gave job ${id} ${sum} GPUs where ${gpus} were decided`);
}

function wrongShare(
  nodes: NodesView,
  places: readonly Share[],
  at: number,
  types: readonly string[] | undefined,
  type: string | undefined,
): string | undefined {
  const { node, gpus, devices } = places[at]!;
  const spec = nodes.specs[node];
  if (spec === undefined || !nodes.usable(node)) return ", which is not there";
  if (!Number.isInteger(gpus) || gpus < 0 || gpus > nodes.free(node)) return `; ${nodes.free(node)} are free`;
  if (type !== undefined && spec.type !== type) return `, a ${spec.type}; it was to run on ${type}`;
  if (!allows(types, spec.type)) return `, a ${spec.type}: it cannot run there`;
  if (devices !== undefined && devices.length !== gpus) return `, and named ${devices.length} of them`;
  for (let i = 0; i < at; i++) if (places[i]!.node === node) return " twice";
  return undefined;
}
