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
  /** Best average JCT first; after them those under which fewer jobs finished. */
  readonly rows: readonly WinnerRow[];
  readonly sentence: string;
}

/** The best is next to nothing there: by how much others are above it says nothing. */
const ratioMost = 1000;

export function winnersOf(names: readonly string[], summaries: readonly Summary[]): Winners {
  const most = Math.max(...summaries.map(({ finished }) => finished));
  const isShort = (i: number): number => (summaries[i]!.finished < most ? 1 : 0);
  const order = [...names.keys()].sort((a, b) => isShort(a) - isShort(b) || rank(summaries[a]!) - rank(summaries[b]!));
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

interface Ranked {
  readonly name: string;
  readonly summary: Summary;
}

/** A policy that finishes fewer jobs is not compared: those that it never finished would count for nothing. */
function sentenceOf(ranked: readonly Ranked[]): string {
  const most = ranked[0]?.summary.finished ?? 0;
  if (most === 0) return "No job has finished.";
  const compared = ranked.filter(({ summary }) => summary.finished === most);
  const short = ranked.slice(compared.length);
  const figures = short.map(({ name, summary }) => `${name} (${count(summary.finished)} of ${count(most)})`);
  const warning = short.length === 0 ? "" : ` Fewer jobs finished under ${figures.join(" and ")}: not compared.`;
  return `${comparison(compared)}.${warning}`;
}

/** How far the first is ahead of the second and of the last. */
function comparison([first, ...others]: readonly Ranked[]): string {
  const { name, summary } = first!;
  const jct = summary.averageJct;
  const spent = `${duration(jct)} on average from submission to end`;
  const [next, last] = [others[0], others.at(-1)];
  if (next === undefined || last === undefined) return `${name}: ${spent}`;
  const ahead = (other: Ranked): number => other.summary.averageJct / jct;
  const isLevel = (other: Ranked): boolean => !(ahead(other) >= 1.005);
  if (isLevel(last)) return `${others.length === 1 ? `${name} and ${next.name}` : "All"} are level: ${spent}`;
  const beginning = isLevel(next)
    ? `${name} and ${next.name} are level: ${spent}`
    : `${name} wins: ${spent}, ${times(ahead(next))} faster than ${next.name}`;
  return others.length === 1 ? beginning : `${beginning}, and ${times(ahead(last))} faster than ${last.name}`;
}
