/**
 * How fast two jobs are beside each other where few pairs were measured (OSDI 2020, §6): slowdowns by kind of job, mate and type are
 * a matrix, of which some entries are profiled and the others completed from them.
 */
import { draw } from "../../../core/random.ts";
import type { JobView } from "../../job.ts";
import { type Completion, completed } from "../../matrix-completion.ts";
import type { Claimant, ShareRequest } from "../../time-shares.ts";

/** Units of work a second of a job beside another on the type with that index. */
export type Beside = (job: Claimant, other: Claimant, type: number) => number;

export const measured =
  (types: readonly string[]): Beside =>
  ({ view, gpus }, other, type) =>
    view.outlook?.rateBeside?.(other.view.spec.id, gpus, types[type]!) ?? 0;

const completion: Completion = { rank: 4, penalty: 0.3, sweeps: 15 };

const kindOf = ({ spec }: JobView): string => `${spec.model ?? spec.class ?? spec.id}`;

/** What it has learned of a kind of job it keeps. `profiled` is the part of all pairs that is measured. */
export class PairEstimator {
  readonly #profiled: number;
  /** By the number of GPUs, since pairs have as many: kinds in the order in which they came, and what is known of them. */
  readonly #sizes = new Map<number, KindMatrix>();

  constructor(profiled: number) {
    this.#profiled = profiled;
  }

  /**
   * Measures what is to be measured among the jobs of a request, and answers for all their pairs. That two jobs do not fit into
   * memory together is known from their sizes, and neither measured nor estimated.
   */
  beside({ jobs, types }: ShareRequest): Beside {
    const truth = measured(types);
    for (const job of jobs) this.#matrix(job.gpus, types.length).meet(job, truth);
    return (job, other, type) => {
      if (!(truth(job, other, type) > 0)) return 0;
      return (
        job.rates[type]! * this.#matrix(job.gpus, types.length).slowdown(kindOf(job.view), kindOf(other.view), type)
      );
    };
  }

  #matrix(gpus: number, types: number): KindMatrix {
    const known = this.#sizes.get(gpus) ?? new KindMatrix(this.#profiled, types);
    this.#sizes.set(gpus, known);
    return known;
  }
}

/** Rows are kinds; columns are kinds as mates, by type: throughput beside the mate over throughput alone. */
class KindMatrix {
  readonly #profiled: number;
  readonly #types: number;
  readonly #kinds = new Map<string, number>();
  readonly #examples: Claimant[] = [];
  readonly #known: (number | undefined)[][] = [];
  #all: readonly (readonly number[])[] | undefined;

  constructor(profiled: number, types: number) {
    this.#profiled = profiled;
    this.#types = types;
  }

  /** A kind that was not seen before is profiled beside some of those that were, and they beside it. */
  meet(job: Claimant, truth: Beside): void {
    if (this.#kinds.has(kindOf(job.view))) return;
    const row = this.#examples.length;
    this.#kinds.set(kindOf(job.view), row);
    this.#examples.push(job);
    this.#known.push([]);
    for (const [other, mate] of this.#examples.entries()) {
      for (let k = 0; k < this.#types; k++) {
        const seen = draw(0xbe51de, row, other, k) < this.#profiled;
        const part = (a: Claimant, b: Claimant): number | undefined =>
          seen && truth(a, b, k) > 0 ? Math.min(1, truth(a, b, k) / a.rates[k]!) : undefined;
        this.#known[row]![other * this.#types + k] = part(job, mate);
        this.#known[other]![row * this.#types + k] = part(mate, job);
      }
    }
    this.#all = undefined;
  }

  slowdown(kind: string, mate: string, type: number): number {
    this.#all ??= completed(this.#known, completion).map((row) => row.map((x) => Math.min(1, Math.max(0.01, x))));
    return this.#all[this.#kinds.get(kind)!]![this.#kinds.get(mate)! * this.#types + type]!;
  }
}
