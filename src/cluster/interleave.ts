/**
 * Jobs that take turns at the resources of the same machines (Muri, §4): while one computes on the GPU, another loads, and a third
 * exchanges gradients. One period is one iteration of each. What it lasts depends on who follows whom.
 *
 *     slot        i          i+1        i+2        i+3
 *     job A    storage ──── CPU ──── GPU ──── network          job B is one slot behind A, C two, D three
 */
import type { Seconds } from "../time/clock.ts";
import type { JobSpec, Phases } from "./job.ts";

/** Resources, and so the most jobs that can take turns. */
export const slotCount = 4;

/**
 * What a measured period lasts beyond the one that phases give, by the jobs in it: the authors' measurements on 64 V100
 * (`cluster_exp` of their artifact). Alone: beyond the profiled iteration.
 */
export const contention: readonly number[] = [1, 1.015, 1.33 / 1.015, 1.5 / 1.015, 1.37 / 1.015];

/** Three resources where nobody told storage and CPU apart: loading then fills two slots of its own job. */
interface Stages {
  readonly load: Seconds;
  readonly gpu: Seconds;
  readonly network: Seconds;
}

/** Seconds of an iteration alone, as it was profiled; undefined where nobody did. */
export function iterationSeconds({ duration, iterations, phases }: JobSpec): Seconds | undefined {
  if (duration !== undefined && iterations !== undefined && iterations > 0) return duration / iterations;
  return phases === undefined ? undefined : busySeconds(phases);
}

export const busySeconds = ({ storage, cpu, gpu, network }: Phases): Seconds => storage + cpu + gpu + network;

/** Seconds of one period of these jobs in the best order, before contention. `group` has two to four jobs. */
export function periodSeconds(group: readonly Phases[]): Seconds {
  const apart = group.some(({ cpu }) => cpu > 0);
  let best = Number.POSITIVE_INFINITY;
  for (const order of ordersOf(group.length)) {
    const jobs = order.map((i) => group[i]!);
    best = Math.min(best, apart ? fourStages(jobs) : threeStages(jobs.map(stagesOf)));
  }
  if (group.length === 2) best = Math.min(best, opposite(stagesOf(group[0]!), stagesOf(group[1]!)));
  return best;
}

/** Remembers periods by the phases in them: a trace has few models, and a matching asks for every pair. */
export class Periods {
  readonly #kinds = new Map<string, number>();
  readonly #kindOf = new WeakMap<Phases, number>();
  readonly #periods = new Map<string, Seconds>();

  /** The same number for the same phases. */
  kind(phases: Phases): number {
    let kind = this.#kindOf.get(phases);
    if (kind !== undefined) return kind;
    const key = `${phases.storage} ${phases.cpu} ${phases.gpu} ${phases.network}`;
    kind = this.#kinds.get(key) ?? this.#kinds.size;
    this.#kinds.set(key, kind);
    this.#kindOf.set(phases, kind);
    return kind;
  }

  /** Seconds of one period of two to four jobs, before contention. */
  of(group: readonly Phases[]): Seconds {
    const key = group
      .map((phases) => this.kind(phases))
      .sort((a, b) => a - b)
      .join();
    const known = this.#periods.get(key);
    if (known !== undefined) return known;
    const period = periodSeconds(group);
    this.#periods.set(key, period);
    return period;
  }
}

/** The part of all resources that is busy when the group takes turns: what Muri's matching maximises (eq. 4). */
export const efficiency = (group: readonly Phases[], period: Seconds): number =>
  group.reduce((sum, phases) => sum + busySeconds(phases), 0) / (slotCount * period);

/** Two phases of different jobs never meet in a slot: each lasts as long as its longest (eq. 3). */
function fourStages(jobs: readonly Phases[]): Seconds {
  let period = 0;
  for (let slot = 0; slot < slotCount; slot++) {
    let longest = 0;
    for (const [offset, { storage, cpu, gpu, network }] of jobs.entries()) {
      longest = Math.max(longest, [storage, cpu, gpu, network][(slot - offset + slotCount) % slotCount]!);
    }
    period += longest;
  }
  return period;
}

/** Slots end one after another; loading begins a slot earlier than it must end. Two rounds are enough for it to settle. */
function threeStages(jobs: readonly Stages[]): Seconds {
  const rounds = 2 * slotCount;
  const end = new Float64Array(rounds + 1);
  const at = (i: number): Stages | undefined => jobs[i % slotCount];
  for (let i = 0; i < rounds; i++) {
    // A slot of nobody's ends when those before it have, as far as they matter to anybody.
    const [sending, computing, loading] = [at(i + 1), at(i + 2), at(i + 3)];
    let ends = 0;
    if (sending !== undefined) ends = Math.max(ends, end[i]! + sending.network);
    if (computing !== undefined) ends = Math.max(ends, end[i]! + computing.gpu);
    if (loading !== undefined && i > 0) ends = Math.max(ends, end[i - 1]! + loading.load);
    end[i + 1] = ends;
    if (i < slotCount) continue;
    const period = end[i + 1]! - end[i - 3]!;
    const before = end[i]! - end[i - 4]!;
    if (period > 0 && Math.abs(period - before) <= 1e-3 * Math.max(period, before)) return period;
  }
  return end[rounds]! - end[rounds - slotCount]!;
}

/** Two jobs two slots apart: one loads while the other computes and exchanges. */
const opposite = (a: Stages, b: Stages): Seconds =>
  Math.max(a.load, b.gpu + b.network) + Math.max(b.load, a.gpu + a.network);

const stagesOf = ({ storage, cpu, gpu, network }: Phases): Stages => ({ load: storage + cpu, gpu, network });

/** Ways in which so many jobs can follow each other in four slots; two of them may also be opposite, which is not listed. */
function ordersOf(count: number): readonly (readonly number[])[] {
  if (count === 1) return [[0]];
  const orders: number[][] = [];
  for (const rest of ordersOf(count - 1)) {
    for (let at = 0; at < count; at++) orders.push([...rest.slice(0, at), count - 1, ...rest.slice(at)]);
  }
  return orders;
}
