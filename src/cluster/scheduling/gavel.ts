/** Gavel: heterogeneity as a matrix. Every policy is a linear program over X[job, type], and rounds make its shares true. */

import { UserError } from "../../core/errors.ts";
import { type Random, shuffle, stream } from "../../core/random.ts";
import { scheduling } from "../scheduling.ts";
import { loadSolver } from "../solver.ts";
import { type Claimant, type Share, type ShareRequest, TimeShares } from "../time-shares.ts";
import { type Alike, byDeadline, byTenantAndWeight, byWeight, byWork, inClasses } from "./gavel/classes.ts";
import { PairEstimator } from "./gavel/estimator.ts";
import { finishTimeFairness } from "./gavel/finish-time.ts";
import {
  cost,
  firstComeAnywhere,
  firstComeFirstServed,
  makespan,
  maxMinFairness,
  totalThroughput,
} from "./gavel/objectives.ts";
import { alone, together } from "./gavel/pairs.ts";
import type { Objective } from "./gavel/program.ts";
import { byJob, byTenant, byTenantInOrder, waterFilling } from "./gavel/water-filling.ts";

const fifo = 6;

/** Without `alike`, an objective tells all jobs apart. */
const objectives: readonly (readonly [name: string, create: (blind: boolean) => Objective, alike?: Alike])[] = [
  ["max-min fairness (LAS)", () => maxMinFairness, byWeight],
  ["finish-time fairness", () => finishTimeFairness()],
  ["makespan", () => makespan, byWork],
  ["total throughput", () => totalThroughput, () => ""],
  ["throughput by dollar", () => cost(false), () => ""],
  ["throughput by dollar, with deadlines", () => cost(true), byDeadline],
  ["FIFO", (blind) => (blind ? firstComeAnywhere(stream(0xf1f0)) : firstComeFirstServed)],
  ["water filling", () => waterFilling(byJob), byWeight],
  ["tenants, fairness among their jobs", () => waterFilling(byTenant), byTenantAndWeight],
  ["tenants, FIFO among their jobs", () => waterFilling(byTenantInOrder)],
  ["finish-time fairness, where the path of ECOS ends", () => finishTimeFairness(true)],
];

export default scheduling({
  title: "Gavel",
  paper: {
    title: "Heterogeneity-Aware Cluster Scheduling Policies for Deep Learning Workloads",
    venue: "OSDI 2020",
    url: "https://www.usenix.org/conference/osdi20/presentation/narayanan-deepak",
  },
  rows: ["gavel"],
  idea: "Solve a linear program for the part of its time that each job (or pair of jobs on shared GPUs) is to spend on each type of GPU, with throughputs as measured there; each round, run those whose share divided by the time received is largest, and place the largest gangs first.",
  differs: [
    "Where an optimum is not unique, the centre of the optimal face is taken, on the path that the published runs took (ECOS); of programs of more than 400 variables, that of classes of jobs that it cannot tell apart. With more than 400 still, or pairs, a corner is taken instead, where jobs that are nearly equal may get unequal shares.",
    "Finish-time fairness is a search over the ratio with linear programs, where the published code has one cone program; of all shares with the best ratio those in the analytic centre of that cone program are taken, or, with objective 10 and one type of GPU, those where ECOS ends: then every job ends as in the published simulator with ECOS. The published run was solved by Gurobi, whose settings decide where in the middle of the best shares it stops: in the published simulator (version 12, where its licence takes the program) they give worst ratios of 2.90 to 3.46 (published 3.44, ours 3.27, with ECOS 3.05), makespans of +0.1 to +1.3 % and average JCTs of -0.7 to +0.3 % of the published; ours +0.3 and +0.4 %.",
    "Bottlenecks of water filling are found by a linear program in place of one with integers.",
    "Throughputs come from the launcher (a table or the job's own reports). Those of pairs can be estimated (`profiled`): slowdowns of the kinds seen are one matrix that is completed, where the paper matches a job to the nearest of some reference jobs and takes theirs.",
    "Objectives that know no hardware fill types in an order drawn anew each round, as the published simulator does and the paper does not say.",
    "A job that the program gives nothing is passed over in a round; in the published simulator it still holds back capacity there.",
    "The first allocation, which knows only who came first, may be made anew in the next round, as the published simulator does where a trace begins at 0 s.",
    "The half round that every job is credited with, and the time between allocations (1,000 s in Shockwave's copy of its simulator, 1,920 s in its own), are not the paper's.",
  ],
  options: {
    objective: {
      default: 0,
      unit: "number",
      min: 0,
      help: objectives.map(([name], i) => `${i} ${name}`).join("; "),
    },
    agnostic: { default: 0, unit: "0 or 1", min: 0, help: "1: every type counts as fast as the first" },
    pairs: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: two jobs may share their GPUs (with the sharing entry `as-decided`)",
    },
    profiled: {
      default: 1,
      unit: "of the pairs",
      min: 0,
      help: "part of the pairs of kinds of jobs that is measured; the others are estimated from it",
    },
    round: { default: 360, unit: "s", min: 1, help: "length of a round" },
    reset: { default: 1000, unit: "s", min: 0, help: "least time between two allocations" },
  },
  claim: { metric: "averageJct", better: "lower", than: "las", on: "two-types", factor: 1.25, where: "sim" },

  prepare: loadSolver,
  create({ objective, agnostic, pairs, profiled, round, reset }) {
    const chosen = objectives[objective];
    if (chosen === undefined) {
      throw new UserError(
        `gavel: objective is ${objective}.`,
        `There are: ${objectives.map(([name], i) => `${i} ${name}`).join("; ")}.`,
      );
    }
    const [, make, alike] = chosen;
    const estimator = profiled < 1 ? new PairEstimator(profiled) : undefined;
    const combine = (request: ShareRequest) =>
      pairs > 0 ? together(request, estimator?.beside(request)) : alone(request);
    const whole = make(agnostic > 0);
    const optimise = alike === undefined || pairs > 0 ? whole : inClasses(whole, alike);
    const allocate = (request: ShareRequest): readonly Share[] => {
      const seen =
        agnostic > 0 ? { ...request, jobs: request.jobs.map((job) => withoutTypes(job, objective)) } : request;
      return optimise(seen, combine(seen)) ?? [];
    };
    // Whoever does not know types meets them by chance.
    const order = agnostic > 0 ? shuffles(stream(0x9a7e1)) : undefined;
    const times = { roundSeconds: round, resetSeconds: reset, strict: objective === fifo };
    const shares = new TimeShares({ ...times, allocate, ...(order && { order }) });
    return { together: pairs > 0 ? 2 : 1, decide: (view) => shares.decide(view) };
  },
});

/** Another order each time, drawn from a seeded stream. */
const shuffles =
  (random: Random) =>
  (types: number): readonly number[] => {
    const order = Array.from({ length: types }, (_, k) => k);
    shuffle(order, random);
    return order;
  };

/** LAS knows time alone; the others know how fast the job is on the first type. */
const withoutTypes = (job: Claimant, objective: number): Claimant => ({
  ...job,
  rates: job.rates.map((rate) => (rate === 0 ? 0 : objective === 0 ? 1 : job.rates[0]!)),
});
