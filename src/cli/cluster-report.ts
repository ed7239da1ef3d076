/** The page of `--report`: who ran when and where, under policies that were replayed, or in a run on a real cluster. */
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from "node:fs";
import type { JobSpec } from "../cluster/job.ts";
import type { NodeSpec } from "../cluster/node.ts";
import type { Report, ReportPolicy } from "../cluster/report/columns.ts";
import { reportPage } from "../cluster/report/page.ts";
import { nodesInWords } from "../cluster/trace/nodes.ts";
import { UserError } from "../core/errors.ts";
import { say } from "./terminal.ts";

/** What the page says of where its jobs are from. */
export type ReportOrigin = Pick<Report, "trace" | "format" | "origin" | "notes" | "how">;

/** `policies` by the index of `jobs`. */
export function reportOf(
  origin: ReportOrigin,
  jobs: readonly JobSpec[],
  nodes: readonly NodeSpec[],
  policies: readonly ReportPolicy[],
): Report {
  const tenants = new Names();
  const classes = new Names();
  const tenant = Uint32Array.from(jobs, (job) => tenants.index(job.tenant));
  const kind = Uint32Array.from(jobs, (job) => classes.index(job.class ?? job.model ?? ""));
  return {
    ...origin,
    cluster: nodesInWords(nodes),
    nodes: nodes.map(({ id }) => id),
    nodeGpus: Uint32Array.from(nodes, ({ gpus }) => gpus),
    ...{ tenants: tenants.list, classes: classes.list },
    jobs: {
      ids: jobs.map(({ id }) => id),
      submit: Float64Array.from(jobs, ({ submit }) => submit),
      gpus: Uint32Array.from(jobs, ({ gpus }) => gpus),
      ...{ tenant, class: kind },
    },
    policies,
  };
}

/** Names by the order in which they first occur. */
class Names {
  readonly list: string[] = [];
  readonly #indexes = new Map<string, number>();

  index(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    this.#indexes.set(name, this.list.length);
    return this.list.push(name) - 1;
  }
}

/** Before hours of work for it: throws a `UserError` where the file cannot be written. */
export function checkReportPath(path: string): void {
  try {
    const isNew = !existsSync(path);
    closeSync(openSync(path, "a"));
    if (isNew) rmSync(path);
  } catch (error) {
    throw notWritten(path, error);
  }
}

const notWritten = (path: string, error: unknown): UserError =>
  new UserError(`--report ${path}: it cannot be written: ${(error as Error).message}.`);

/** Throws a `UserError` where the file cannot be written. */
export function writeReport(path: string, report: Report): void {
  const page = reportPage(report);
  try {
    writeFileSync(path, page);
  } catch (error) {
    throw notWritten(path, error);
  }
  say(`${path}: ${(page.length / 2 ** 20).toFixed(1)} MiB; open it in a browser.`);
}
