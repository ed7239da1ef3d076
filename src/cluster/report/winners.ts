/** Who wins by how much: each policy's figures, and how far each is from the best. */
import type { Summary } from "./measure.ts";
import { count, duration, percent, plainNumber, times } from "./words.ts";

interface Column {
  readonly key: keyof Summary;
  readonly title: string;
  readonly help: string;
  readonly better: "lower" | "higher";
  write(value: number): string;
}

export const winnerColumns: readonly Column[] = [
  {
    key: "averageJct",
    title: "average JCT",
    help: "From submission to end, on average",
    better: "lower",
    write: duration,
  },
  { key: "medianJct", title: "median JCT", help: "Half of the jobs took less", better: "lower", write: duration },
  { key: "p99Jct", title: "p99 JCT", help: "99 of 100 jobs took less", better: "lower", write: duration },
  {
    key: "averageWait",
    title: "wait",
    help: "From submission to first start, on average",
    better: "lower",
    write: duration,
  },
  { key: "makespan", title: "makespan", help: "From first submission to last end", better: "lower", write: duration },
  { key: "utilisation", title: "utilisation", help: "Share of GPU-seconds in use", better: "higher", write: percent },
  {
    key: "worstRho",
    title: "worst ρ",
    help: "Worst finish-time fairness of a job",
    better: "lower",
    write: plainNumber,
  },
  {
    key: "unfair",
    title: "ρ > 1.05",
    help: "Jobs that a fair share would have served better",
    better: "lower",
    write: percent,
  },
  { key: "restarts", title: "restarts", help: "Starts after the first", better: "lower", write: count },
];

export interface WinnerCell {
  readonly text: string;
  /** How many times worse than the best; 1 for the best, `undefined` where that says nothing: all are equal, or one is 0. */
  readonly worse: number | undefined;
}

export interface WinnerRow {
  readonly name: string;
  readonly finished: number;
  readonly jobs: number;
  /** One a column of `winnerColumns`. */
  readonly cells: readonly WinnerCell[];
}

export interface Winners {
  /** Best average JCT first. */
  readonly rows: readonly WinnerRow[];
  readonly sentence: string;
}

/** The best is next to nothing there: by how much others are above it says nothing. */
const ratioMost = 1000;

export function winnersOf(names: readonly string[], summaries: readonly Summary[]): Winners {
  const order = [...names.keys()].sort((a, b) => rank(summaries[a]!) - rank(summaries[b]!));
  const best = winnerColumns.map(({ key, better }) => {
    const values = summaries.map((summary) => summary[key]).filter((value) => Number.isFinite(value));
    return better === "lower" ? Math.min(...values) : Math.max(...values);
  });
  const differs = winnerColumns.map(({ key }, k) => summaries.some((summary) => summary[key] !== best[k]));
  const rows = order.map((i) => {
    const summary = summaries[i]!;
    const cells = winnerColumns.map(({ key, better, write }, k) => {
      const value = summary[key];
      const ratio = better === "lower" ? value / best[k]! : best[k]! / value;
      const worse = value === best[k] ? 1 : ratio < ratioMost ? ratio : undefined;
      return { text: write(value), worse: differs[k] ? worse : undefined };
    });
    return { name: names[i]!, finished: summary.finished, jobs: summary.jobs, cells };
  });
  return { rows, sentence: sentenceOf(order.map((i) => ({ name: names[i]!, summary: summaries[i]! }))) };
}

const rank = ({ averageJct }: Summary): number => (Number.isNaN(averageJct) ? Number.POSITIVE_INFINITY : averageJct);

/** A policy that finishes fewer jobs is not compared: those that it never finished would count for nothing. */
function sentenceOf(ranked: readonly { readonly name: string; readonly summary: Summary }[]): string {
  const [first, ...others] = ranked;
  if (first === undefined || first.summary.finished === 0) return "No job has finished.";
  const jct = first.summary.averageJct;
  if (others.length === 0) return `${first.name}: ${duration(jct)} on average from submission to end.`;
  const most = Math.max(...ranked.map(({ summary }) => summary.finished));
  const short = ranked.filter(({ summary }) => summary.finished < most).map(({ name }) => name);
  const warning =
    short.length === 0 ? "" : ` ${short.join(" and ")} finished fewer jobs: averages over different jobs.`;
  const next = others[0]!;
  const ahead = next.summary.averageJct / jct;
  const beginning =
    ahead < 1.005
      ? `${first.name} and ${next.name} are level: ${duration(jct)} on average from submission to end`
      : `${first.name} wins: ${duration(jct)} on average from submission to end, ${times(ahead)} faster than ${next.name}`;
  const last = others.at(-1)!;
  const end = others.length === 1 ? "" : `, and ${times(last.summary.averageJct / jct)} faster than ${last.name}`;
  return `${beginning}${end}.${warning}`;
}
