/**
 * What a real run's launches and leaves took, read afterwards from the scheduler's log (orders and news) and from what each attempt
 * wrote down of itself (from when until when it computed).
 *
 *     order to start ──launch, resume──► computes ──(order to stop ──hear──►) no more ──end──► news
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { LogLine } from "../cluster/log.ts";

/** Seconds of the wall, one for each time. */
export interface RunCosts {
  /** From the order to start a job for the first time until it computed. */
  readonly launch: readonly number[];
  /** From the order to start it again until it went on. */
  readonly resume: readonly number[];
  /** From the order to stop until it computed no more. */
  readonly hear: readonly number[];
  /** From the order to stop until the news that it had left. */
  readonly stop: readonly number[];
  /** From the end of its work until the news of it. */
  readonly end: readonly number[];
}

/** Orders to a run, and the news of its end, in milliseconds since 1970. */
interface Heard {
  readonly start: number;
  stop: number | undefined;
}

/** `moment` turns the log's seconds to milliseconds since 1970. */
export function costsOf(log: readonly LogLine[], state: string, moment: (at: number) => number): RunCosts {
  const costs = { launch: [], resume: [], hear: [], stop: [], end: [] } as { [name in keyof RunCosts]: number[] };
  const runs = new Map<string, Heard>();
  const attempts = new Map<string, number>();
  const started = (job: string, at: number): void => {
    const attempt = (attempts.get(job) ?? -1) + 1;
    attempts.set(job, attempt);
    runs.set(job, { start: moment(at), stop: undefined });
    const began = timesOf(state, job, attempt)?.began;
    if (began !== undefined) costs[attempt === 0 ? "launch" : "resume"].push((began - moment(at)) / 1e3);
  };
  const ended = (job: string, kind: "stopped" | "finished", at: number): void => {
    const stop = runs.get(job)?.stop;
    const times = timesOf(state, job, attempts.get(job) ?? 0);
    if (times?.ended === undefined) return;
    if (kind === "finished") costs.end.push((moment(at) - times.ended) / 1e3);
    else if (stop !== undefined) {
      costs.hear.push((times.ended - stop) / 1e3);
      costs.stop.push((moment(at) - stop) / 1e3);
    }
  };
  for (const line of log) {
    if (line.kind === "launched") started(line.job, line.at);
    else if (line.kind === "decided") {
      for (const job of line.stop) {
        const run = runs.get(job);
        if (run !== undefined) run.stop ??= moment(line.at);
      }
      for (const { job, later } of line.start) if (!later) started(job, line.at);
    } else if (line.kind === "event") {
      const { event } = line;
      if (event.kind === "stopped" || event.kind === "finished") ended(event.job, event.kind, line.at);
    }
  }
  return costs;
}

interface Times {
  readonly began: number;
  readonly ended?: number;
}

function timesOf(state: string, job: string, attempt: number): Times | undefined {
  const path = join(jobFolder(state, job), `attempt-${attempt}.json`);
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined;
}

/** Those of all; a run that was seldom asked for something takes what the others measured of it. */
export function pooled(own: RunCosts, all: readonly RunCosts[]): RunCosts {
  const of = (name: keyof RunCosts): readonly number[] =>
    own[name].length >= few ? own[name] : all.flatMap((costs) => costs[name]);
  return { launch: of("launch"), resume: of("resume"), hear: of("hear"), stop: of("stop"), end: of("end") };
}

const few = 8;
