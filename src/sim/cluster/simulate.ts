/** The cluster's engine on a virtual clock, over a model of what runs jobs: a trace in, a log out. */

import { ClusterEngine } from "../../cluster/engine.ts";
import type { JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent, Launcher } from "../../cluster/launcher.ts";
import type { LogHeader, LogLine } from "../../cluster/log.ts";
import type { NodeSpec } from "../../cluster/node.ts";
import type { ClusterPolicy } from "../../cluster/policy.ts";
import { UserError } from "../../core/errors.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { VirtualClock } from "../../time/virtual-clock.ts";
import { SteadyLauncher, type SteadyOptions } from "./steady-launcher.ts";

export interface ClusterSetup {
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
  /** Fresh: a policy remembers what it was shown. */
  readonly policy: ClusterPolicy;
  readonly roundSeconds?: Seconds;
  /** Of the engine: least time from a decision to the next. */
  readonly gapSeconds?: Seconds;
  /** The launcher reports when its rounds end, of about so many seconds. */
  readonly leaseSeconds?: Seconds;
  /** The launcher says when the engine is to decide, by reporting rounds. */
  readonly roundsOnly?: boolean;
  readonly failuresMax?: number;
  /** Of the model of steady jobs. */
  readonly steady?: Omit<SteadyOptions, "report">;
  /** Another model. */
  readonly launcher?: (clock: Clock, report: (event: ClusterEvent) => void) => Launcher;
  /** What happens besides: nodes lost and back, jobs cancelled. */
  readonly events?: readonly ClusterEvent[];
}

export const headerOf = ({ policy, nodes, roundSeconds }: ClusterSetup): LogHeader => ({
  kind: "header",
  policy: policy.names.name,
  slots: policy.names.slots,
  options: policy.names.options,
  ...(policy.names.history !== undefined && { history: policy.names.history }),
  nodes,
  ...(roundSeconds === undefined ? {} : { roundSeconds }),
});

/** Calls `log` with every line, in order; returns when nothing more can happen, with jobs that never ended still waiting. */
export function streamCluster(setup: ClusterSetup, log: (line: LogLine) => void): ClusterEngine {
  const clock = new VirtualClock();
  const report = (event: ClusterEvent): void => engine.report(event);
  const launcher =
    setup.launcher?.(clock, report) ?? new SteadyLauncher(clock, setup.nodes, { ...setup.steady, report });
  const { policy, nodes, roundSeconds, gapSeconds, leaseSeconds, roundsOnly, failuresMax, events = [] } = setup;
  // Submissions and other events that are still to come, and decisions since anything happened.
  let [coming, still] = [setup.jobs.length + events.length, 0];
  const engine: ClusterEngine = new ClusterEngine({
    clock,
    launcher,
    policy,
    nodes,
    log(line) {
      const isStill = line.kind === "decided" && line.start.length === 0 && line.waiting === engine.unfinished;
      still = isStill ? still + 1 : 0;
      log(line);
    },
    ...(roundSeconds === undefined ? {} : { roundSeconds }),
    ...(gapSeconds === undefined ? {} : { gapSeconds }),
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
    ...(roundsOnly === undefined ? {} : { roundsOnly }),
    ...(failuresMax === undefined ? {} : { failuresMax }),
  });
  const comes = (event: ClusterEvent): void => {
    coming--;
    report(event);
  };
  for (const event of events) clock.at(event.at, () => comes(event));
  feed(clock, setup.jobs, comes);
  clock.run(() => coming > 0 || still < stillMost);
  return engine;
}

/** A policy that decides in rounds would go on for ever where nothing runs, nothing comes, and no place is found for who waits. */
const stillMost = 500;

export function simulateCluster(setup: ClusterSetup): LogLine[] {
  const lines: LogLine[] = [];
  streamCluster(setup, (line) => lines.push(line));
  return lines;
}

/** Submits each job at its time, and asks for the next submission only then: the clock holds one of them, and not a million. */
function feed(clock: Clock, jobs: readonly JobSpec[], report: (event: ClusterEvent) => void): void {
  const ids = new Set<string>();
  for (const { id } of jobs) {
    if (ids.has(id)) throw new UserError(`The trace has two jobs "${id}".`, "Give each job a name of its own.");
    ids.add(id);
  }
  // Array.sort keeps the order of jobs that are submitted together.
  const sorted = jobs.every((job, i) => i === 0 || jobs[i - 1]!.submit <= job.submit)
    ? jobs
    : jobs.toSorted((a, b) => a.submit - b.submit);
  let next = 0;
  const submit = (): void => {
    const { submit: at } = sorted[next]!;
    for (; next < sorted.length && sorted[next]!.submit === at; next++) {
      report({ kind: "submitted", at, job: sorted[next]! });
    }
    if (next < sorted.length) clock.at(sorted[next]!.submit, submit);
  };
  if (sorted.length > 0) clock.at(sorted[0]!.submit, submit);
}
