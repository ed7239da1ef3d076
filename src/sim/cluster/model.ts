/**
 * Models of what runs jobs, by name, and which of them a trace asks for: a format whose jobs say how long they run has the steady
 * one; formats of published simulators have the model of their paper, with the tables of measurements that it reads.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { JobSpec } from "../../cluster/job.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import type { ClusterPolicy } from "../../cluster/policy.ts";
import { UserError } from "../../core/errors.ts";
import type { Seconds } from "../../time/clock.ts";
import {
  arrivalsModel,
  elasticJob,
  elasticModel,
  elasticSlotSeconds,
  levelsModel,
  mergedModel,
  readThroughputs,
  rescaleSeconds,
  rigidModel,
} from "./elastic-tables.ts";
import { profileOf, staticFairness } from "./gavel/profile.ts";
import { comparisonRules, gavelRules, type LeaseRules, leases, shockwaveRules } from "./gavel/simulate.ts";
import { readThroughputs as readGavelThroughputs } from "./gavel/throughputs.ts";
import type { FinishTimeFairness } from "./metrics.ts";
import { muriRoundSeconds, muriSimulator, muriTestbed } from "./muri-testbed.ts";
import { profiledSetup, readProfiles } from "./pollux/simulate.ts";
import type { ClusterSetup } from "./simulate.ts";

/** Seconds that a run loses; see `SteadyOptions`. */
export interface RunCost {
  readonly launchSeconds?: Seconds;
  readonly restartSeconds?: Seconds;
  readonly stopSeconds?: Seconds;
  readonly endSeconds?: Seconds;
}

export interface ModelGiven extends RunCost {
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  readonly policy: ClusterPolicy;
  /** What the user asked for; absent for what the model has by itself. */
  readonly roundSeconds?: Seconds;
  /** Where its tables are; there for a model that has `tables`. */
  readonly tables?: string;
}

export interface Model {
  readonly title: string;
  /** Formats of traces that it is for. */
  readonly formats: readonly string[];
  /** The cluster as its paper has it, where no other is asked for. */
  readonly nodes?: string;
  readonly tables?: {
    readonly what: string;
    /** Where they lie beside a trace, as they were published. */
    readonly beside: readonly string[];
  };
  /** As its paper's simulator reports it, where that is another than `ClusterReading`'s own. */
  readonly fairness?: (given: Pick<ModelGiven, "nodes" | "tables">) => FinishTimeFairness;
  /** Those that the user may give; the others are its own. */
  readonly costs: readonly (keyof RunCost)[];
  setup(given: ModelGiven): ClusterSetup;
}

const steady: Model = {
  title: "Jobs run at a constant speed, for the time that the trace says",
  formats: [],
  costs: ["launchSeconds", "restartSeconds", "stopSeconds", "endSeconds"],
  setup: ({ jobs, nodes, policy, roundSeconds, tables: _, ...steady }) => ({
    ...{ jobs, nodes, policy, steady },
    ...(roundSeconds !== undefined && { roundSeconds }),
  }),
};

const pollux: Model = {
  title: "Profiled applications, whose progress depends on places and batch sizes, in rounds of 60 s",
  formats: ["pollux"],
  nodes: "16x4:t4",
  tables: {
    what: "a folder with one folder of profiles for each application (placements.csv, scalability.csv, validation-B.csv)",
    beside: ["../traces", "traces"],
  },
  costs: ["restartSeconds"],
  setup: ({ tables, ...setup }) => profiledSetup({ ...setup, applications: readProfiles(tables!) }),
};

const muri: Model = {
  title: "Profiled iterations that take turns; everything starts again at every event, as in Muri's simulator",
  formats: ["muri"],
  nodes: "8x8:v100",
  costs: [],
  setup: ({ tables: _, ...setup }) => ({
    ...setup,
    launcher: muriSimulator({
      arrivals: setup.policy.sharing.jobsMax > 1 ? setup.jobs : [],
      endsTogether: setup.policy.scheduling.falls === undefined,
    }),
  }),
};

const testbed: Model = {
  title: "The same as on Muri's testbed: in rounds of 360 s, and only rounds in which something happened start anew",
  formats: [],
  nodes: "8x8:v100",
  costs: [],
  setup: ({ tables: _, ...setup }) => ({
    ...{ roundSeconds: muriRoundSeconds, ...setup },
    launcher: muriTestbed(setup.jobs, setup.policy.scheduling.falls),
  }),
};

const elasticflow: Model = {
  title:
    "Speeds by size from tables, in slots of 240 s; everybody waits at each decision, as in ElasticFlow's simulator",
  formats: [],
  nodes: "16x8:a100",
  tables: {
    what: "a folder with a table of iterations a second for each model (resnet50.csv: global_batch_size,1,2,4,…)",
    beside: ["../scheduler/throughputs_A100"],
  },
  costs: ["restartSeconds"],
  setup: ({ restartSeconds, tables, jobs, ...setup }) => {
    const rates = readThroughputs(tables!);
    return {
      ...{ gapSeconds: elasticSlotSeconds, ...setup },
      jobs: jobs.map((job) => elasticJob(rates, job, "own")),
      launcher: elasticModel(rates, { ...setup, restartSeconds }),
    };
  },
};

const rigid: Model = {
  ...elasticflow,
  title: "The same for its baselines: only what a decision starts waits for it, and at every event",
  setup: ({ restartSeconds, tables, jobs, ...setup }) => {
    const rates = readThroughputs(tables!);
    const startSeconds = (gpus: number): Seconds => restartSeconds ?? rescaleSeconds(gpus);
    return {
      ...setup,
      jobs: jobs.map((job) => elasticJob(rates, job, "measured")),
      launcher: rigidModel(rates, startSeconds),
    };
  },
};

const merged: Model = {
  ...elasticflow,
  title: "The same speeds; arrivals and ends within 240 s of a decision are seen after them, as for EDF there",
  costs: [],
  setup: ({ roundSeconds: _, tables, ...setup }) => {
    const rates = readThroughputs(tables!);
    const jobs = setup.jobs.map((job) => elasticJob(rates, job, "measured"));
    return { ...setup, jobs, roundsOnly: true, launcher: mergedModel(rates, jobs) };
  },
};

const arrivals: Model = {
  title:
    "Jobs run for the time that the trace says; the cluster is decided when one comes, and every 240 s after the last, as for Gandiva in ElasticFlow's simulator",
  formats: [],
  nodes: "16x8:a100",
  costs: ["restartSeconds"],
  setup: ({ restartSeconds, tables: _, roundSeconds: __, ...setup }) => ({
    ...setup,
    roundsOnly: true,
    launcher: arrivalsModel(setup.jobs, { ...setup, restartSeconds }),
  }),
};

const levels: Model = {
  ...arrivals,
  title:
    "Jobs run for the time that the trace says; the cluster is decided when one comes, ends or falls, no sooner than 240 s later, as for Tiresias in ElasticFlow's simulator",
  setup: ({ restartSeconds, tables: _, roundSeconds: __, ...setup }) => ({
    ...setup,
    roundsOnly: true,
    launcher: levelsModel(setup.jobs, { ...setup, restartSeconds }),
  }),
};

const throughputsOf = (tables: string | undefined) => readGavelThroughputs(readFileSync(tables!, "utf8"), tables!);

const leased = (ofPaper: LeaseRules, rest: Omit<Model, "setup" | "costs">): Model => ({
  ...rest,
  costs: ["restartSeconds"],
  setup({ jobs, nodes, policy, tables, ...asked }) {
    const throughputs = throughputsOf(tables);
    const reference = nodes[0]!.type;
    // What the trace does not say, the table does; finish-time fairness is measured by it.
    const known = jobs.map((job) =>
      job.duration === undefined ? { ...job, duration: profileOf(job, throughputs, reference).duration } : job,
    );
    return { ...{ jobs: known, nodes, policy }, ...leases({ nodes, throughputs, ...ofPaper, ...asked }) };
  },
});

const gavel = leased(gavelRules, {
  title: "Steps at measured throughputs, in leases of 360 s, as in Gavel's simulator",
  formats: ["gavel", "gavel-msr"],
  nodes: "36x1:v100,36x1:p100,36x1:k80",
  tables: {
    what: "a table of throughputs in the form of Gavel's simulation_throughputs.json",
    beside: ["../../simulation_throughputs.json", "../simulation_throughputs.json", "simulation_throughputs.json"],
  },
});

const ofShockwave = {
  fairness({ nodes, tables }) {
    const throughputs = throughputsOf(tables);
    return ({ spec, jct, jobs, gpus }) => {
      const { duration } = profileOf(spec, throughputs, nodes[0]!.type);
      return duration > 0 ? staticFairness(jct, duration, jobs, gpus) : undefined;
    };
  },
  nodes: "32x1:v100",
  tables: {
    what: "a table of throughputs in the form of Shockwave's tacc_throughputs.json",
    beside: ["../tacc_throughputs.json", "tacc_throughputs.json"],
  },
} satisfies Partial<Model>;

const shockwave = leased(shockwaveRules, {
  title: "The same with batch sizes that change, in leases of 120 s, as in Shockwave's simulator",
  formats: ["shockwave"],
  ...ofShockwave,
});

const comparison = leased(comparisonRules, {
  title:
    "The same, where a job that ran for as long as its profile says is done: Shockwave's comparison with a real cluster",
  formats: [],
  ...ofShockwave,
});

export const models: Readonly<Record<string, Model>> = {
  steady,
  pollux,
  gavel,
  shockwave,
  "shockwave-comparison": comparison,
  muri,
  "muri-testbed": testbed,
  elasticflow,
  "elasticflow-baselines": rigid,
  "elasticflow-edf": merged,
  "elasticflow-tiresias": levels,
  "elasticflow-arrivals": arrivals,
};

/** Throws a `UserError` for a name that there is not. */
export function modelFor(name: string): Model {
  const model = Object.hasOwn(models, name) ? models[name] : undefined;
  if (model !== undefined) return model;
  throw new UserError(`There is no model "${name}" of running jobs.`, `There are: ${Object.keys(models).join(", ")}.`);
}

/** The model that a format of traces is replayed with. */
export const modelOfFormat = (format: string): string =>
  Object.keys(models).find((name) => models[name]!.formats.includes(format)) ?? "steady";

/** The tables that a model needs: those asked for, else those that lie where they were published. Throws a `UserError`. */
export function findTables(name: string, trace: string, asked: string | undefined): string | undefined {
  const { tables } = modelFor(name);
  if (tables === undefined) {
    if (asked === undefined) return undefined;
    throw new UserError(`--tables ${asked}: the model "${name}" reads no tables.`, "Leave it out, or give --model.");
  }
  const places = asked === undefined ? tables.beside.map((place) => join(dirname(trace), place)) : [asked];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new UserError(
    `The model "${name}" needs ${tables.what}; there is nothing at ${places.join(", ")}.`,
    "Give --tables PATH.",
  );
}
