/**
 * `heddle cluster replay`: which scheduler would have served a trace best. Each policy replays it in virtual time, on a thread of
 * its own; a table says who wins by how much, `--report` writes a page that shows why.
 */
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import type { Command } from "commander";
import type { Report } from "../../cluster/report/columns.ts";
import { summarise } from "../../cluster/report/measure.ts";
import { type WinnerRow, winnerColumns, winnersOf } from "../../cluster/report/winners.ts";
import { count, jobsInWords, times } from "../../cluster/report/words.ts";
import { UserError } from "../../core/errors.ts";
import type { Replayed } from "../../sim/cluster/replay-task.ts";
import { replaySideBySide } from "../../sim/cluster/side-by-side.ts";
import { wholeFrom } from "../arguments.ts";
import { metricsDocument, unfinishedInWords } from "../cluster-metrics.ts";
import { checkReportPath, reportOf, writeReport } from "../cluster-report.ts";
import {
  addTraceOptions,
  checkHistoryUsed,
  checkOptionsUsed,
  openTrace,
  sayNotes,
  type TraceArguments,
  taskOf,
} from "../cluster-trace.ts";
import { print, printPart, say, sayOver } from "../terminal.ts";

interface Arguments extends TraceArguments {
  readonly policy: string;
  readonly threads?: number;
  readonly json?: boolean;
  readonly report?: string;
}

export function define(command: Command): void {
  command
    .argument(
      "<trace>",
      "a file of jobs (- for standard input): Slurm's sacct, Philly, Helios, Alibaba, and those of published simulators",
    )
    .requiredOption("--policy <ids>", "policies, with commas between them; each is entries of slots joined by +");
  addTraceOptions(command);
  command
    .option("--threads <n>", "policies at once (default: one a core)", wholeFrom(1))
    .option("--report <file>", "write a page that shows it all, and needs nothing else")
    .option("--json", "print [{policy, jobs: [{id, submit, start, end, jct, …}], averageJct, makespan, p99Jct, …}, …]")
    .action(run);
}

async function run(path: string, given: Arguments): Promise<void> {
  const names = given.policy.split(",").map((name) => name.trim());
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new UserError(`--policy ${given.policy}: ${twice} is named twice.`, "Name each once.");
  if (given.report !== undefined) checkReportPath(given.report);
  const opened = await openTrace(path, given);
  sayNotes(path, opened.notes);
  const tasks = await Promise.all(names.map((name) => taskOf(name, opened, given)));
  checkOptionsUsed(given.option ?? [], tasks);
  await checkHistoryUsed(given.history, tasks);
  const progress = new Progress(names, opened.jobs.length);
  const results = await replaySideBySide(tasks, given.threads ?? availableParallelism(), progress);
  progress.end();
  const { trace, jobs, nodes, notes } = opened;
  const origin = { trace: basename(path), format: trace.format, origin: trace.origin, notes };
  const policies = results.map(({ columns }) => columns);
  const report = reportOf(origin, jobs, nodes, policies);
  if (given.report !== undefined) writeReport(given.report, report);
  if (given.json) printResults(results);
  else printTable(report, results);
}

/** How far each policy is: one line of a terminal, drawn anew; elsewhere a line a policy, when it is done. */
class Progress {
  readonly #names: readonly string[];
  readonly #jobs: number;
  readonly #ended: (number | undefined)[];
  readonly #begun = performance.now();

  constructor(names: readonly string[], jobs: number) {
    this.#names = names;
    this.#jobs = jobs;
    this.#ended = names.map(() => undefined);
  }

  progress(task: number, ended: number): void {
    this.#ended[task] = ended;
    const parts = this.#names.flatMap((name, i) => {
      const done = this.#ended[i];
      return done === undefined ? [] : [`${name} ${Math.floor((100 * done) / this.#jobs)} %`];
    });
    sayOver(parts.join(", "));
  }

  done(task: number, { decisions }: Replayed): void {
    this.#ended[task] = undefined;
    sayOver("");
    const seconds = (performance.now() - this.#begun) / 1000;
    say(`${this.#names[task]}: ${count(decisions)} decisions, done after ${seconds.toFixed(1)} s`);
  }

  end(): void {
    sayOver("");
  }
}

/** One document, written policy by policy: all of them as one text may be longer than a string can be. */
function printResults(results: readonly Replayed[]): void {
  results.forEach(({ policy, metrics }, i) => {
    const { queue: _, ...figures } = metrics;
    printPart(`${i === 0 ? "[" : ",\n"}${JSON.stringify(metricsDocument(policy, figures))}`);
  });
  print("]");
}

function printTable(report: Report, results: readonly Replayed[]): void {
  const mask = new Uint8Array(report.jobs.ids.length).fill(1);
  const names = report.policies.map(({ name }) => name);
  const summaries = report.policies.map((policy) => summarise(report, policy, mask));
  const { rows, sentence } = winnersOf(names, summaries);
  print(`${report.trace} (${report.format}): ${jobsInWords(mask.length)} on ${report.cluster}\n`);
  const shown = winnerColumns.map((_, k) => k).filter((k) => rows.some(({ cells }) => cells[k]!.text !== "–"));
  const lines = [["policy", ...shown.map((k) => winnerColumns[k]!.title)], ...rows.map((row) => cellsOf(row, shown))];
  const widths = lines[0]!.map((_, k) => Math.max(...lines.map((line) => line[k]!.length)));
  for (const line of lines) {
    print(
      line
        .map((cell, k) => (k === 0 ? cell.padEnd(widths[k]!) : cell.padStart(widths[k]!)))
        .join("  ")
        .trimEnd(),
    );
  }
  for (const { policy, metrics } of results) {
    const unfinished = unfinishedInWords(metrics);
    if (unfinished !== undefined) print(`${policy}: ${unfinished}.`);
  }
  print(`\n${sentence}`);
}

const cellsOf = ({ name, cells }: WinnerRow, shown: readonly number[]): string[] => [
  name,
  ...shown.map((k) => {
    const { text, worse } = cells[k]!;
    return worse === undefined ? text : worse === 1 ? `${text} ◂` : `${text} ${times(worse)}`;
  }),
];
