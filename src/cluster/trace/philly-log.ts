/**
 * `cluster_job_log` of Philly's release: one array of jobs, each with its attempts and the GPUs of each.
 *
 * A job's duration is the time that its attempts ran, retries after failures included: that is what it asked of the cluster. Its
 * gang is the largest of its attempts.
 */
import { z } from "zod";
import type { JobSpec } from "../job.ts";
import { type DocumentFormat, plain } from "./format.ts";
import { durationOf } from "./production.ts";
import { BadRow, given, issuesInWords, LeftOut } from "./row.ts";
import { unixSeconds } from "./time.ts";

/** The log lacks some times, and writes others as "None". */
const time = z.string().nullish();

const attempt = z.object({
  start_time: time,
  end_time: time,
  detail: z.array(z.object({ ip: z.string(), gpus: z.array(z.string()) })).default([]),
});

const loggedJob = z.object({
  status: z.string().nullish(),
  vc: z.string().nullish(),
  jobid: z.string(),
  attempts: z.array(attempt).default([]),
  submitted_time: time,
});

export const phillyLogFormat: DocumentFormat = {
  kind: "document",
  name: "philly-log",
  title: "Philly, cluster_job_log (JSON)",
  looks: '[{"status": …, "vc": …, "jobid": …, "attempts": [{"start_time": …, "detail": …}], "submitted_time": …}, …]',
  shifted: true,
  knows: ({ text }) => /^\s*\[/.test(text) && text.includes('"attempts"') && text.includes('"submitted_time"'),
  *jobs(text) {
    const lines = linesOf(text);
    const logged: unknown = JSON.parse(text);
    if (!Array.isArray(logged)) throw new SyntaxError("it is no array of jobs");
    for (const [i, job] of logged.entries()) yield { line: lines[i] ?? 0, read: () => jobOf(job) };
  },
};

function jobOf(logged: unknown): JobSpec {
  const read = loggedJob.safeParse(logged);
  if (!read.success) throw new BadRow(issuesInWords(read.error));
  const { data: job } = read;
  const { attempts } = job;
  if (attempts.length === 0) throw new LeftOut("never ran");
  const gangs = attempts.map(({ detail }) => detail.reduce((n, { gpus }) => n + gpus.length, 0));
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
    ...given({ class: job.status?.toLowerCase() }),
  };
}

/** An attempt that lacks a time counts for nothing. */
function spanOf({ start_time: start, end_time: end }: z.infer<typeof attempt>): number | undefined {
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
  let [line, depth, expected] = [1, 0, false];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0x0a) line++;
    if (unit <= 0x20) continue;
    if (expected && unit !== 0x5d) lines.push(line);
    expected = (depth === 0 && unit === 0x5b) || (depth === 1 && unit === 0x2c);
    if (unit === 0x22) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) depth++;
    else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return lines;
}

/** Index of the quote that closes the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  return at;
}
