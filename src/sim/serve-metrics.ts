/** Figures read from a serving log; the engine itself measures nothing. Times in seconds. */
import { mean, median, quantile } from "../core/statistics.ts";
import type { LogLine } from "../serve/log.ts";

export type Metrics = Readonly<Record<string, number>>;

interface Life {
  readonly arrived: number;
  first?: number;
  last: number;
  ended?: number;
  tokens: number;
}

export function serveMetrics(log: readonly LogLine[]): Metrics {
  const lives = new Map<number, Life>();
  const gaps: number[] = [];
  let [passes, sampledPasses, computed, drafted, accepted, preemptions, sharedTokens] = [0, 0, 0, 0, 0, 0, 0];
  const waste: number[] = [];
  let open = 0;
  const endedChoices = new Map<number, number>();
  const choices = new Map<number, number>();
  for (const line of log) {
    if (line.kind === "arrive") {
      lives.set(line.request.id, { arrived: line.at, last: line.at, tokens: 0 });
      choices.set(line.request.id, line.request.choices);
    } else if (line.kind === "pass") {
      passes++;
      open = line.pass.sequences.reduce((n, s) => n + s.sample.length, 0);
      computed += line.pass.sequences.reduce((n, s) => n + s.tokens, 0);
      preemptions += line.preempted.length;
      for (const id of line.admitted) sharedTokens += line.pass.sequences.find((s) => s.request === id)?.start ?? 0;
      if (line.blocksHeld > 0) waste.push(1 - line.positionsUsed / (16 * line.blocksHeld));
    } else if (line.kind === "done") {
      sampledPasses += open;
      for (const p of line.produced) {
        const life = lives.get(p.request)!;
        if (life.first === undefined) life.first = line.at;
        else if (p.choice === 0) gaps.push(line.at - life.last);
        life.last = line.at;
        life.tokens += p.tokens;
        drafted += p.drafted;
        accepted += Math.min(p.drafted, p.tokens - 1);
        if (!p.ended) continue;
        endedChoices.set(p.request, (endedChoices.get(p.request) ?? 0) + 1);
        if (endedChoices.get(p.request) === choices.get(p.request)) life.ended = line.at;
      }
    }
  }
  const done = [...lives.values()].filter((l) => l.ended !== undefined);
  const tokens = done.reduce((n, l) => n + l.tokens, 0);
  const begin = Math.min(...done.map((l) => l.arrived));
  const end = Math.max(...done.map((l) => l.ended!));
  const latencies = done.map((l) => l.ended! - l.arrived);
  const firsts = done.map((l) => l.first! - l.arrived);
  return {
    requests: done.length,
    throughput: tokens / (end - begin),
    requestsPerSecond: done.length / (end - begin),
    latencyMean: mean(latencies) ?? 0,
    latencyMedian: median(latencies) ?? 0,
    firstTokenMedian: median(firsts) ?? 0,
    tokenGapP99: quantile(gaps, 0.99) ?? 0,
    tokenGapMax: Math.max(0, ...gaps),
    passes,
    tokensPerPass: tokens / Math.max(1, sampledPasses),
    computedTokens: computed,
    sharedTokens,
    preemptions,
    wasteMean: mean(waste) ?? 0,
    acceptance: drafted === 0 ? 0 : accepted / drafted,
  };
}
