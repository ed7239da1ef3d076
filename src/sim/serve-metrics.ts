/** Figures read from a serving log; the engine itself measures nothing. */
import { mean, median, quantile } from "../core/statistics.ts";
import type { LogLine } from "../serve/log.ts";

export type Metrics = Readonly<Record<string, number>>;

type PassLine = Extract<LogLine, { kind: "pass" }>;
type DoneLine = Extract<LogLine, { kind: "done" }>;

interface Life {
  readonly arrived: number;
  readonly choices: number;
  first?: number;
  ended?: number;
  endedChoices: number;
  tokens: number;
}

/** When a choice got its last token: the time, and the tokens that all had computed by then. */
interface Last {
  readonly at: number;
  readonly computed: number;
}

class Reading {
  readonly #blockSize: number;
  readonly #lives = new Map<number, Life>();
  readonly #lasts = new Map<string, Last>();
  readonly gaps: number[] = [];
  readonly waste: number[] = [];
  readonly held: number[] = [];
  passes = 0;
  sequences = 0;
  computed = 0;
  copies = 0;
  sharedTokens = 0;
  preemptions = 0;
  drafted = 0;
  accepted = 0;
  samples = 0;
  gapTokensMax = 0;
  #open: PassLine | undefined;

  constructor(log: readonly LogLine[], blockSize: number) {
    this.#blockSize = blockSize;
    for (const line of log) {
      if (line.kind === "arrive") {
        const { id, choices } = line.request;
        this.#lives.set(id, { arrived: line.at, choices, endedChoices: 0, tokens: 0 });
      } else if (line.kind === "pass") this.#pass(line);
      else if (line.kind === "done") this.#done(line);
    }
  }

  get done(): (Life & { readonly first: number; readonly ended: number })[] {
    return [...this.#lives.values()].flatMap((life) => {
      const { first, ended } = life;
      return first === undefined || ended === undefined ? [] : [{ ...life, first, ended }];
    });
  }

  #pass(line: PassLine): void {
    const { sequences, copies } = line.pass;
    this.#open = line;
    this.passes++;
    this.sequences += sequences.length;
    this.computed += sequences.reduce((n, s) => n + s.tokens, 0);
    this.copies += copies.length;
    this.preemptions += line.preempted.length;
    for (const id of line.admitted) this.sharedTokens += sequences.find((s) => s.request === id)?.start ?? 0;
    this.held.push(line.blocksHeld);
    if (line.blocksHeld > 0) this.waste.push(1 - line.positionsUsed / (this.#blockSize * line.blocksHeld));
  }

  #done(line: DoneLine): void {
    this.samples += this.#open?.pass.sequences.reduce((n, s) => n + s.sample.length, 0) ?? 0;
    for (const { request, choice, tokens, drafted, ended } of line.produced) {
      const life = this.#lives.get(request)!;
      const key = `${request} ${choice}`;
      const last = this.#lasts.get(key);
      if (last !== undefined) {
        this.gaps.push(line.at - last.at);
        this.gapTokensMax = Math.max(this.gapTokensMax, this.computed - last.computed);
      }
      this.#lasts.set(key, { at: line.at, computed: this.computed });
      life.first ??= line.at;
      life.tokens += tokens;
      this.drafted += drafted;
      this.accepted += Math.min(drafted, tokens - 1);
      if (!ended) continue;
      life.endedChoices++;
      if (life.endedChoices === life.choices) life.ended = line.at;
    }
  }
}

/** What is counted, in whatever unit time is. */
function counts(reading: Reading) {
  const tokens = reading.done.reduce((n, l) => n + l.tokens, 0);
  return {
    passes: reading.passes,
    tokensPerPass: tokens / Math.max(1, reading.passes),
    tokensPerSample: tokens / Math.max(1, reading.samples),
    sequencesPerPass: reading.sequences / Math.max(1, reading.passes),
    gapTokensMax: reading.gapTokensMax,
    computedTokens: reading.computed,
    sharedTokens: reading.sharedTokens,
    preemptions: reading.preemptions,
    copiedBlocks: reading.copies,
    blocksMax: Math.max(0, ...reading.held),
    wasteMean: mean(reading.waste) ?? 0,
    acceptance: reading.drafted === 0 ? 0 : reading.accepted / reading.drafted,
  };
}

const timesOf = (reading: Reading) => {
  const { done } = reading;
  return {
    spent: Math.max(...done.map((l) => l.ended)) - Math.min(...done.map((l) => l.arrived)),
    latencies: done.map((l) => l.ended - l.arrived),
    firsts: done.map((l) => l.first - l.arrived),
  };
};

/** Of a log in seconds, measured or priced. */
export function serveMetrics(log: readonly LogLine[], blockSize: number): Metrics {
  const reading = new Reading(log, blockSize);
  const { done, gaps } = reading;
  const { spent, latencies, firsts } = timesOf(reading);
  return {
    requests: done.length,
    throughput: done.reduce((n, l) => n + l.tokens, 0) / spent,
    requestsPerSecond: done.length / spent,
    latencyMean: mean(latencies) ?? 0,
    latencyMedian: median(latencies) ?? 0,
    firstTokenMedian: median(firsts) ?? 0,
    tokenGapP99: quantile(gaps, 0.99) ?? 0,
    tokenGapMax: gaps.reduce((a, b) => Math.max(a, b), 0),
    ...counts(reading),
  };
}

/** Of a log in passes: nothing in it depends on how fast the machine is. */
export function countedMetrics(log: readonly LogLine[], blockSize: number): Metrics {
  const reading = new Reading(log, blockSize);
  const { spent, latencies, firsts } = timesOf(reading);
  return {
    requests: reading.done.length,
    requestsPer1000Passes: (1000 * reading.done.length) / spent,
    latencyPassesMean: mean(latencies) ?? 0,
    latencyPassesMedian: median(latencies) ?? 0,
    firstTokenPassesMedian: median(firsts) ?? 0,
    ...counts(reading),
  };
}
