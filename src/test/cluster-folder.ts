/** A real cluster of a test's own, in a folder of its own, with workers for jobs and every report kept. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Belief, Cluster, OpenCluster, Report, Task } from "../cluster/cluster.ts";
import type { JobSpec } from "../cluster/job.ts";
import { jobFolder } from "../cluster/launch/attempt.ts";
import type { Run } from "../cluster/launcher.ts";
import type { NodeSpec, Share } from "../cluster/node.ts";
import { until } from "./until.ts";

export const workerFile = fileURLToPath(new URL("../cli/cluster-worker.js", import.meta.url));

/** Counts seconds of work, at one a second. */
export const workerTask = ({ job }: Run): Task => ({
  argv: job.command ?? [process.execPath, workerFile, String(job.duration ?? 1), "1"],
});

export const nodesOf = (count: number, gpus: number): NodeSpec[] =>
  Array.from({ length: count }, (_, i) => ({ id: `n${i}`, type: "gpu", gpus }));

export const jobOf = (id: string, duration: number, more: Partial<JobSpec> = {}): JobSpec => ({
  ...{ id, submit: 0, gpus: 1, duration, tenant: "t", priority: 0, weight: 1 },
  ...more,
});

export const runOf = (job: JobSpec, attempt = 0, places: readonly Share[] = [{ node: 0, gpus: job.gpus }]): Run => ({
  ...{ job, attempt, places, beside: [] },
});

export class ClusterFolder {
  readonly path: string;
  readonly #open: OpenCluster;
  readonly #nodes: readonly NodeSpec[] | undefined;
  readonly #options: Readonly<Record<string, string>>;
  readonly #opened: Cluster[] = [];
  readonly reports: string[] = [];
  readonly warnings: string[] = [];
  /** Called at each report. */
  onReport: Report = () => {};

  constructor(
    open: OpenCluster,
    nodes?: readonly NodeSpec[],
    options: Readonly<Record<string, string>> = {},
    under = tmpdir(),
  ) {
    this.path = mkdtempSync(join(under, "heddle-cluster-"));
    this.#open = open;
    this.#nodes = nodes;
    this.#options = options;
  }

  /** A launcher on this folder, as each scheduler that lives after another opens one. */
  async cluster<C extends Cluster = Cluster>(beliefs: readonly Belief[] = []): Promise<C> {
    const opened = await this.#open({
      folder: this.path,
      id: this.path.slice(-6),
      ...(this.#nodes !== undefined && { nodes: this.#nodes }),
      task: workerTask,
      report: (event) => {
        const attempt = "attempt" in event ? `/${event.attempt}` : "";
        const of = "job" in event ? ` ${String(event.job)}${attempt}` : "node" in event ? ` ${event.node}` : "";
        this.reports.push(`${event.kind}${of}`);
        this.onReport(event);
      },
      warn: (line) => void this.warnings.push(line),
      options: this.#options,
    });
    this.#opened.push(opened);
    await opened.adopt(beliefs);
    return opened as C;
  }

  /** Resolves once the job's worker can hear a signal. */
  async works(job: string): Promise<void> {
    await until(
      () => this.read(job, "lock") !== undefined,
      60,
      () => `worker of ${job}`,
    );
  }

  /** Resolves once it was reported, however often; fails after a while. */
  async heard(report: string, seconds = 60): Promise<void> {
    await until(
      () => this.reports.includes(report),
      seconds,
      () => `${report}; there was ${this.reports.join(", ")}`,
    );
  }

  read(job: string, file: string): string | undefined {
    const path = join(jobFolder(this.path, job), file);
    return existsSync(path) ? readFileSync(path, "utf8") : undefined;
  }

  units(job: string): number {
    return JSON.parse(this.read(job, "checkpoint.json") ?? '{"units":0}').units;
  }

  /** Ends what is still running. */
  async remove(): Promise<void> {
    for (const cluster of this.#opened) await cluster.close("leave");
    await (await this.cluster()).close("stop");
    rmSync(this.path, { recursive: true, force: true });
  }
}
