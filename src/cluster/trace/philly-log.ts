/**
 * `cluster_job_log` of Philly's release: one array of jobs, each with its attempts and the GPUs of each.
 *
 * A job's duration is the time that its attempts ran, retries after failures included: that is what it asked of the cluster. Its
 * gang is the largest of its attempts.
 */
import type { JobSpec } from "../job.ts";
import { type DocumentFormat, plain } from "./format.ts";
import { durationOf } from "./production.ts";
import { BadRow, LeftOut } from "./row.ts";
import { unixSeconds } from "./time.ts";

interface Attempt {
  readonly start_time?: string | null;
  readonly end_time?: string | null;
  readonly detail?: readonly { readonly ip: string; readonly gpus: readonly string[] }[];
}

interface LoggedJob {
  readonly status?: string;
  readonly vc?: string;
  readonly jobid?: string;
  readonly attempts?: readonly Attempt[];
  readonly submitted_time?: string | null;
}

export const phillyLogFormat: DocumentFormat = {
  kind: "document",
  name: "philly-log",
  title: "Philly, cluster_job_log (JSON)",
  looks: '[{"status": …, "vc": …, "jobid": …, "attempts": [{"start_time": …, "detail": …}], "submitted_time": …}, …]',
  shifted: true,
  knows: ({ text }) => /^\s*\[/.test(text) && text.includes('"attempts"') && text.includes('"submitted_time"'),
  *jobs(text) {
    const lines = linesOf(text);
    const logged: readonly LoggedJob[] = JSON.parse(text);
    for (const [i, job] of logged.entries()) yield { line: lines[i] ?? 0, read: () => jobOf(job) };
  },
};

function jobOf(job: LoggedJob): JobSpec {
  if (typeof job.jobid !== "string") throw new BadRow("jobid is missing");
  const attempts = job.attempts ?? [];
  if (attempts.length === 0) throw new LeftOut("never ran");
  const gangs = attempts.map(({ detail = [] }) => detail.reduce((n, { gpus }) => n + gpus.length, 0));
  const gpus = Math.max(...gangs);
  if (gpus === 0) throw new LeftOut("has no GPUs in the log");
  const spans = attempts.map(spanOf).filter((span) => span !== undefined);
  if (spans.length === 0) throw new LeftOut("had not ended");
  return {
    ...plain,
    id: job.jobid,
    submit: secondsOf("submitted_time", job.submitted_time),
    gpus,
    duration: durationOf(spans.reduce((a, b) => a + b, 0)),
    tenant: job.vc ?? plain.tenant,
    ...(job.status !== undefined && { class: job.status.toLowerCase() }),
  };
}

/** The log lacks some times: such an attempt counts for nothing. */
function spanOf({ start_time: start, end_time: end }: Attempt): number | undefined {
  if (!hasTime(start) || !hasTime(end)) return undefined;
  const seconds = secondsOf("end_time", end) - secondsOf("start_time", start);
  if (seconds >= 0) return seconds;
  throw new BadRow(`an attempt ends at ${end}, before it starts at ${start}`);
}

const hasTime = (text: string | null | undefined): text is string =>
  typeof text === "string" && text !== "" && text !== "None";

function secondsOf(name: string, text: string | null | undefined): number {
  const seconds = hasTime(text) ? unixSeconds(text) : undefined;
  if (seconds !== undefined) return seconds;
  throw new BadRow(`${name} is "${text}", not a time such as 2017-10-07 01:11:39`);
}

/** The line on which each element of the outer array begins. */
function linesOf(text: string): number[] {
  const lines: number[] = [];
  let [line, depth] = [1, 0];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x0a) line++;
    else if (unit === 0x22) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) {
      if (depth === 1) lines.push(line);
      depth++;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return lines;
}

/** Index of the quote that closes the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  return at;
}
