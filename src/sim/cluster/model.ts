/**
 * Models of what runs jobs, by name, and which of them a trace asks for: a format whose jobs say how long they run has the steady
 * one; formats of published simulators have the model of their paper.
 */
import type { JobSpec } from "../../cluster/job.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import { UserError } from "../../core/errors.ts";
import type { Seconds } from "../../time/clock.ts";
import type { ClusterSetup } from "./simulate.ts";

export interface ModelGiven {
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  /** What the user asked for; absent for what the model has by itself. */
  readonly restartSeconds?: Seconds;
}

export interface Model {
  readonly title: string;
  /** Formats of traces that it is for. */
  readonly formats: readonly string[];
  /** Clusters as its paper has them, where no other is asked for. */
  readonly nodes?: string;
  setup(given: ModelGiven): Pick<ClusterSetup, "launcher" | "steady" | "roundSeconds">;
}

export const models: Readonly<Record<string, Model>> = {
  steady: {
    title: "Jobs run at a constant speed, for the time that the trace says",
    formats: [],
    setup: ({ restartSeconds }) => (restartSeconds === undefined ? {} : { steady: { restartSeconds } }),
  },
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
