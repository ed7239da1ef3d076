/** Shares as variables of a linear program: what every objective of Gavel shares (OSDI 2020, §3 and §4). */
import { assert } from "../../../core/errors.ts";
import { analyticCentre } from "../../analytic-centre.ts";
import { centre } from "../../central-path.ts";
import { LinearProgram, type Term, type Variable } from "../../linear-program.ts";
import { solve } from "../../solver.ts";
import type { Claimant, Share, ShareRequest } from "../../time-shares.ts";

/** One job (or a class of jobs alike), or two beside each other, with the speed of each on each type. */
export interface Combination {
  readonly members: readonly number[];
  readonly gpus: number;
  /** [member, type] */
  readonly rates: readonly (readonly number[])[];
}

export interface ShareProgram {
  readonly program: LinearProgram;
  readonly request: ShareRequest;
  readonly combinations: readonly Combination[];
  /** [combination, type] */
  readonly shares: readonly (readonly Variable[])[];
  /** Effective throughput of a job: its speed on every type and beside every mate, times its share there. */
  readonly throughput: readonly (readonly Term[])[];
}

/** Shares for the jobs of a request, alone and in pairs; `undefined` where no shares are good. */
export type Objective = (request: ShareRequest, combinations: readonly Combination[]) => readonly Share[] | undefined;

/** Programs up to this size are solved to the centre of their optima; larger ones to a corner, which is much faster. */
export const centralMost = 400;

export const copiesOf = ({ copies = 1 }: Claimant): number => copies;

/**
 * Every share between 0 and 1; a job has all its time at most, and a type all its GPUs. Classes are not combined in pairs: who is
 * beside whom would be lost.
 */
export function shareProgram(
  sense: "maximise" | "minimise",
  request: ShareRequest,
  combinations: readonly Combination[],
): ShareProgram {
  const program = new LinearProgram(sense);
  const shares = combinations.map(({ rates, members }) => {
    const copies = copiesOf(request.jobs[members[0]!]!);
    assert(copies === 1 || members.length === 1, () => "a class of jobs as a pair");
    return rates[0]!.map(() => program.variable({ copies }));
  });
  for (const [k, workers] of request.workers.entries()) {
    program.atMost(
      workers,
      combinations.map(({ gpus }, i) => [shares[i]![k]!, gpus]),
    );
  }
  const time: Term[][] = request.jobs.map(() => []);
  const throughput: Term[][] = request.jobs.map(() => []);
  for (const [i, { members, rates }] of combinations.entries()) {
    for (const [place, job] of members.entries()) {
      for (const [k, variable] of shares[i]!.entries()) {
        time[job]!.push([variable, 1]);
        throughput[job]!.push([variable, rates[place]![k]!]);
      }
    }
  }
  for (const [i, terms] of time.entries()) program.atMost(1, terms, copiesOf(request.jobs[i]!));
  return { program, request, combinations, shares, throughput };
}

/** `undefined` where nothing satisfies the rows. */
export function solved(of: ShareProgram): readonly Share[] | undefined {
  const { program } = of;
  return sharesOf(of, program.variables <= centralMost ? centre(program) : solve(program)?.values);
}

/** The middle of all shares that satisfy the rows; those with a least value are of throughputs, and there to bound a time. */
export function amid(of: ShareProgram): readonly Share[] | undefined {
  const { program } = of;
  const times = new Set(program.rows.flatMap(({ min }, i) => (min > 0 ? [i] : [])));
  return sharesOf(of, program.variables <= centralMost ? analyticCentre(program, times) : solve(program)?.values);
}

function sharesOf(of: ShareProgram, values: Float64Array | undefined): readonly Share[] | undefined {
  if (values === undefined) return undefined;
  return of.combinations.map(({ members }, i) => ({ members, shares: of.shares[i]!.map((j) => values[j]!) }));
}

export const scaled = (terms: readonly Term[], factor: number): Term[] => terms.map(([j, a]) => [j, a * factor]);

/** What a job would get if each type were shared out evenly: the yardstick of fairness. */
export function evenThroughput({ rates }: Claimant, workers: readonly number[]): number {
  const total = workers.reduce((a, b) => a + b, 0);
  return rates.reduce((sum, rate, k) => sum + (rate * workers[k]!) / total, 0);
}
