/** The serving engine on a virtual clock: passes take as long as a cost says, requests end at the lengths of the workload. */
import { draw } from "../core/random.ts";
import type { Batching } from "../serve/batching.ts";
import { Engine } from "../serve/engine.ts";
import type { Executor, Pass, Produced } from "../serve/executor.ts";
import type { KvCache } from "../serve/kv-cache.ts";
import type { LogLine } from "../serve/log.ts";
import type { Speculation } from "../serve/speculation.ts";
import type { Clock } from "../time/clock.ts";
import { VirtualClock } from "../time/virtual-clock.ts";
import { type PassCost, secondsOf } from "./pass-cost.ts";
import type { Workload } from "./workload.ts";

/** Positions in a cache block, as compiled kernels have them. */
export const blockSize = 16;

export interface Setup {
  readonly batching: Batching;
  readonly kvCache: KvCache;
  readonly speculation: Speculation;
  readonly names: { readonly batching: string; readonly kvCache: string; readonly speculation: string };
  readonly cost: PassCost;
  readonly blocks: number;
  readonly swapBlocks: number;
  readonly limits: { readonly tokens: number; readonly sequences: number };
}

/** Runs a workload to its end, and gives the log. */
export function simulate(setup: Setup, { requests, acceptance }: Pick<Workload, "requests" | "acceptance">): LogLine[] {
  const clock = new VirtualClock();
  const log: LogLine[] = [];
  const lengths = new Map(requests.map((r) => [r.arrival.id, r.outputTokens]));
  const executor = new CostExecutor(clock, setup.cost, lengths, acceptance);
  const engine = new Engine({ ...setup, clock, executor, blockSize, log: (line) => log.push(line) });
  for (const { at, arrival } of requests) clock.at(at, () => engine.submit(arrival));
  clock.run();
  engine.check();
  return log;
}

class CostExecutor implements Executor {
  readonly #clock: Clock;
  readonly #cost: PassCost;
  readonly #lengths: ReadonlyMap<number, number>;
  readonly #acceptance: number;
  readonly #produced = new Map<string, number>();

  constructor(clock: Clock, cost: PassCost, lengths: ReadonlyMap<number, number>, acceptance: number) {
    this.#clock = clock;
    this.#cost = cost;
    this.#lengths = lengths;
    this.#acceptance = acceptance;
  }

  start(pass: Pass, done: (produced: readonly Produced[]) => void): void {
    const results = pass.sequences.flatMap((s) => s.sample.map((choice) => this.#result(s.request, choice, s.drafts)));
    this.#clock.at(this.#clock.now() + secondsOf(this.#cost, pass), () => done(results));
  }

  #result(request: number, choice: number, drafts: number): Produced {
    const key = `${request} ${choice}`;
    const before = this.#produced.get(key) ?? 0;
    let right = 0;
    while (right < drafts && draw(request, choice, before + right) < this.#acceptance) right++;
    const left = (this.#lengths.get(request) ?? 1) - before;
    const tokens = Math.min(right + 1, left);
    this.#produced.set(key, before + tokens);
    return { request, choice, tokens, drafted: drafts, ended: tokens === left };
  }

  forget(): void {}
}
