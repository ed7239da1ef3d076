/**
 * A run of several parts on several nodes, where each part is watched by itself (a pod, a Ray job): what its parts' states mean
 * for the whole. All have begun: it has started. All have ended well: it is finished. One has not: the others go too.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ClusterSetup, Task } from "../cluster.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import { attemptScript, environmentOf, makeJobFolder, readExit } from "./attempt.ts";

/** `none`: not made yet, or lost without a word. `left`: ended as it was asked to. */
export type PartState = "none" | "pending" | "running" | "done" | "failed" | "left";

export interface Gang {
  readonly run: Run;
  readonly parts: PartState[];
  /** Asked to checkpoint and leave. */
  stopping: boolean;
  /** Why a part failed, of the first that did. */
  why: string | undefined;
  /** What was said of it last; nothing is said twice. */
  said: "nothing" | "started" | "end";
  /** Calls that make or end its parts run one after the other. */
  work: Promise<void>;
}

export const gangOf = (run: Run, stopping = false): Gang => ({
  run,
  parts: run.places.map(() => "none"),
  stopping,
  why: undefined,
  said: "nothing",
  work: Promise.resolve(),
});

export type GangNews = "started" | "finished" | "stopped" | "failed";

export const hasEnded = (state: PartState): boolean => state === "done" || state === "failed" || state === "left";

/** What a part is that is not there: one that was never made has left, as it was asked to. */
export const absent = (gang: Gang): PartState => (gang.stopping ? "left" : "failed");

/** Parts must be ended because another failed. */
export const mustFall = (gang: Gang): boolean => !gang.stopping && gang.parts.includes("failed");

/** What there is to say of it now, each once; the end comes when every part has ended. */
export function newsOf(gang: Gang): GangNews[] {
  const { parts } = gang;
  const news: GangNews[] = [];
  if (gang.said === "nothing" && parts.every((state) => state === "running" || state === "done")) {
    gang.said = "started";
    news.push("started");
  }
  if (gang.said === "end" || !parts.every(hasEnded)) return news;
  gang.said = "end";
  if (parts.every((state) => state === "done")) return [...news, "finished"];
  return [...news, gang.stopping ? "stopped" : "failed"];
}

/** Where a part keeps its checkpoints and says how it ended: the first in the job's own folder, as a job of one part does. */
export function partFolder({ folder }: ClusterSetup, { job }: Run, part: number): string {
  const path = makeJobFolder(folder, job.id);
  if (part === 0) return path;
  mkdirSync(join(path, `part-${part}`), { recursive: true });
  return join(path, `part-${part}`);
}

/** What a part executes: the job's command in the script that lets each attempt run once, and ends one that was replaced. */
export function partTask(setup: ClusterSetup, nodes: readonly NodeSpec[], run: Run, part: number): Task {
  const { argv, environment } = setup.task(run);
  const folder = partFolder(setup, run, part);
  const parts = { HEDDLE_PART: String(part), HEDDLE_PARTS: String(run.places.length) };
  return {
    argv: ["sh", "-c", attemptScript, "heddle", folder, String(run.attempt), ...argv],
    environment: { ...environment, ...environmentOf(run, nodes, folder), ...parts },
  };
}

/** Whether it wrote down that it had done all its work, though it was being asked to leave. */
export const partIsDone = (setup: ClusterSetup, run: Run, part: number): boolean =>
  readExit(partFolder(setup, run, part), run.attempt) === 0;
