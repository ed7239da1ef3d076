/** What a bench prints: rows of ours against a peer's, each with where and how it was measured. */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import type { Level } from "../device/device.ts";

export type Terms = Readonly<Record<string, unknown>>;

/** One comparison. Rates unless the unit is of time, where less is better. */
export interface Row {
  readonly name: string;
  readonly threads?: number;
  readonly unit: string;
  readonly ours: number | undefined;
  readonly peer?: number | undefined;
  /** What the machine allows, in `unit`, measured in the same run. */
  readonly limit?: number | undefined;
  /** Of the limit, where both were measured in turn; else ours over the limit. */
  readonly share?: number | undefined;
  /** What is asked for: a ratio to the peer, a share of the limit, or a most that ours may be. */
  readonly goal?: { readonly ratio?: number; readonly share?: number; readonly most?: number };
  readonly terms?: Terms;
}

/** What a bench is given: how often to repeat, what to restrict itself to, and where its rows go. */
export interface Bench {
  readonly repeat: number;
  /** Of what is drawn at random. */
  readonly seed: number;
  /** Fewer and smaller cases, to see that a bench works. */
  readonly quick: boolean;
  /** Forces an instruction set for our side. */
  readonly level: Level | undefined;
  readonly threads: readonly number[];
  /** Prints a comparison, with its ratio, its share and whether its goal is met. */
  row(row: Row): void;
  /** Prints figures that compare with no peer. */
  note(fields: Terms): void;
}

/** `ratio` says how many times better ours is, for rates and for times alike. */
export interface Judged extends Omit<Row, "terms"> {
  readonly ratio: number | undefined;
  readonly share: number | undefined;
  readonly met: boolean | undefined;
  readonly terms: Terms;
}

const units = ["s", "ms"];

export function judge(row: Row, terms: Terms): Judged {
  const { ours, peer, limit, goal } = row;
  const less = units.includes(row.unit);
  const times = (a: number | undefined, b: number | undefined): number | undefined =>
    a === undefined || b === undefined ? undefined : less ? b / a : a / b;
  const ratio = times(ours, peer);
  const share = row.share ?? times(ours, limit);
  const reached = (found: number | undefined, wanted: number | undefined): (boolean | undefined)[] =>
    wanted === undefined ? [] : [found === undefined ? undefined : found >= wanted];
  const held = [...reached(ratio, goal?.ratio), ...reached(share, goal?.share)];
  if (goal?.most !== undefined) held.push(ours === undefined ? undefined : ours <= goal.most);
  // What could not be measured is not known to be met.
  const met = held.includes(false) ? false : held.length === 0 || held.includes(undefined) ? undefined : true;
  return { ...row, ratio, share, met, terms: { ...terms, ...row.terms } };
}

export function machineTerms(): Readonly<Record<string, string | number>> {
  return { machine: `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}`, node: process.version, commit: commit() };
}

function commit(): string {
  const git = (...words: string[]): string => execFileSync("git", words, { encoding: "utf8" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no", "--", "src") !== "";
    return git("rev-parse", "--short", "HEAD") + (changed ? " and changes" : "");
  } catch {
    return "unknown";
  }
}

const digits = (x: number | undefined): number | undefined => (x === undefined ? undefined : Number(x.toPrecision(4)));

/** The row as it is printed: rounded to what the measurement carries. */
export function rounded(row: Judged): Terms {
  const { name, threads, unit, goal, met, terms } = row;
  const [ours, peer, ratio, limit, share] = [row.ours, row.peer, row.ratio, row.limit, row.share].map(digits);
  return { name, threads, ours, peer, ratio, limit, share, unit, goal, met, terms };
}

/** The rows as a table of markdown. */
export function table(rows: readonly Judged[]): string {
  const percent = (share: number | undefined): string => (share === undefined ? "" : `${Math.round(100 * share)} %`);
  const number = (x: number | undefined): string => (x === undefined ? "" : digits(x)!.toLocaleString("en"));
  const times = (x: number | undefined): string => (x === undefined ? "" : `${x.toFixed(2)}×`);
  const met = { true: "yes", false: "no", undefined: "" };
  const lines = rows.map(({ name, threads, unit, ours, peer, ratio, limit, share, met: held, terms }) => {
    const against = peer === undefined ? "" : `${terms.peer ?? ""}`;
    const cells = [
      terms.disturbed === true ? `${name} (disturbed)` : name,
      threads ?? "",
      `${number(ours)} ${unit}`,
      number(peer),
      against,
      times(ratio),
      number(limit),
    ];
    return `| ${[...cells, percent(share), met[`${held}`]].join(" | ")} |`;
  });
  const head = ["bench", "threads", "ours", "theirs", "peer", "ratio", "limit", "share", "goal met"];
  return [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...lines].join("\n");
}
