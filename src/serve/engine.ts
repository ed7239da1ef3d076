/**
 * The serving engine: owns queues and blocks, asks the policies, checks their decisions, starts passes.
 *
 *     submit ──► waiting ──batching, kv-cache──► running ──pass──► executor ──done──► next pass …
 *                   ▲───────────preemption──────────┘
 *
 * It is the same object on a model and in simulation: it reads the clock once an event, never awaits, and measures nothing.
 */
import { assert, UserError } from "../core/errors.ts";
import type { Clock, Seconds } from "../time/clock.ts";
import type { Batching, PassLimits } from "./batching.ts";
import { BlockPool } from "./block-pool.ts";
import type { Executor, Produced } from "./executor.ts";
import type { KvCache } from "./kv-cache.ts";
import type { Arrival, LogLine } from "./log.ts";
import { PassPlan } from "./pass-plan.ts";
import { RequestState } from "./request-state.ts";
import type { Speculation } from "./speculation.ts";

export interface EngineParts {
  readonly clock: Pick<Clock, "now">;
  readonly executor: Executor;
  readonly batching: Batching;
  readonly kvCache: KvCache;
  readonly speculation: Speculation;
  /** Ids of the policies, for errors. */
  readonly names: { readonly batching: string; readonly kvCache: string; readonly speculation: string };
  readonly blocks: number;
  readonly blockSize: number;
  readonly swapBlocks: number;
  readonly limits: PassLimits;
  readonly log: (line: LogLine) => void;
}

export class Engine {
  readonly pool: BlockPool;
  readonly parts: EngineParts;
  /** Oldest first, both. */
  #waiting: RequestState[] = [];
  #running: RequestState[] = [];
  #busy = false;
  /** Copies that the next pass must make first, by the request that needs them. */
  #copies: { readonly request: number; readonly from: number; readonly to: number }[] = [];
  preemptions = 0;

  constructor(parts: EngineParts) {
    this.parts = parts;
    this.pool = new BlockPool(parts, parts.names.kvCache);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.length;
  }

  /** Tokens that each choice of a request may produce so that it fits the cache when it runs alone; at most `most`. */
  roomFor(promptTokens: number, choices: number, most: number): number {
    const { kvCache, blockSize } = this.parts;
    const about = { id: 0, promptTokens, choices, length: promptTokens, hashes: [] };
    // A policy may round as it likes, but asks for no fewer blocks where more tokens are asked for.
    let [fits, exceeds] = [0, Math.max(0, most) + 1];
    while (exceeds - fits > 1) {
      const tokensMax = Math.floor((fits + exceeds) / 2);
      if (kvCache.blocksMax({ ...about, tokensMax }, blockSize) <= this.pool.blocks) fits = tokensMax;
      else exceeds = tokensMax;
    }
    return fits;
  }

  /** Throws a `UserError` for a request that could never run, even alone. */
  submit(arrival: Arrival): void {
    const { clock, kvCache, blockSize, log } = this.parts;
    const at = clock.now();
    const state = new RequestState(arrival, at);
    const most = kvCache.blocksMax(state.need, blockSize);
    if (most > this.pool.blocks) {
      throw new UserError(
        `The request may need ${most} cache blocks of ${blockSize} positions; there are ${this.pool.blocks}.`,
        "Shorten the prompt, ask for fewer tokens or choices, or start the server with more --blocks.",
      );
    }
    log({ at, kind: "arrive", request: arrival });
    this.#waiting.push(state);
    this.#step(at);
  }

  cancel(id: number): void {
    const state = [...this.#waiting, ...this.#running].find((r) => r.id === id);
    if (state === undefined || state.cancelled) return;
    const at = this.parts.clock.now();
    this.parts.log({ at, kind: "cancel", id });
    state.cancelled = true;
    // A pass under way still writes to its blocks; they come back when it ends.
    if (this.#busy) return;
    this.#drop(state);
    this.#step(at);
  }

  /** Fails unless every block and slot is where the books say. */
  check(): void {
    const all = [...this.#waiting, ...this.#running];
    const slots = new Set(all.flatMap((r) => r.swapped?.flat() ?? []));
    this.pool.check(
      all.flatMap((r) => r.sequences.map((s) => s.table)),
      [...slots],
    );
  }

  #step(now: Seconds): void {
    if (this.#busy) return;
    const { batching, limits, executor, log, names } = this.parts;
    const view = { now, waiting: this.#waiting.map((r) => r.view), running: this.#running.map((r) => r.view), limits };
    const grants = batching.next(view);
    const plan = new PassPlan(this.parts, this.pool, this.#running);
    for (const grant of grants) {
      const waiting = this.#waiting.find((r) => r.id === grant.request);
      const state = waiting ?? this.#running.find((r) => r.id === grant.request);
      // Another grant of this pass may have pushed it out of the cache.
      if (state === undefined || plan.wasPreempted(grant.request)) continue;
      assert(
        Number.isInteger(grant.tokens) && grant.tokens >= 1 && grant.tokens <= state.work && !plan.has(grant.request),
        () =>
          `${names.batching} granted request ${grant.request} ${grant.tokens} tokens; it can use 1 to ${state.work}`,
      );
      if (waiting !== undefined) {
        if (plan.refused || !plan.admit(waiting, this.#running.length === 0)) continue;
        this.#waiting = this.#waiting.filter((r) => r !== waiting);
        this.#running.push(waiting);
        this.#running.sort((a, b) => a.arrivedAt - b.arrivedAt || a.id - b.id);
      }
      plan.add(state, grant.tokens);
    }
    plan.finish();
    for (const state of plan.victims) this.#requeue(state);
    this.preemptions += plan.victims.length;
    if (plan.empty) {
      // Nothing would ever wake the engine again, and what was to be swapped out would be lost.
      assert(plan.victims.length === 0, () => `${names.kvCache} preempted all that ${names.batching} granted`);
      return;
    }
    const copies = this.#copies.map(({ from, to }) => ({ from, to }));
    this.#copies = [];
    const pass = plan.pass(copies);
    const { blocksHeld, positionsUsed } = plan.usage();
    log({ at: now, kind: "pass", admitted: plan.admitted, preempted: plan.preempted, pass, blocksHeld, positionsUsed });
    this.#busy = true;
    executor.start(pass, (produced) => this.#done(plan, produced));
  }

  #requeue(state: RequestState): void {
    this.#running = this.#running.filter((r) => r !== state);
    this.#copies = this.#copies.filter((c) => c.request !== state.id);
    this.#waiting.push(state);
    this.#waiting.sort((a, b) => a.arrivedAt - b.arrivedAt || a.id - b.id);
  }

  #done(plan: PassPlan, produced: readonly Produced[]): void {
    const { clock, log } = this.parts;
    const at = clock.now();
    log({ at, kind: "done", produced });
    this.#busy = false;
    const results = new Map(produced.map((p) => [`${p.request} ${p.choice}`, p]));
    for (const { state, sequence, tokens, sample } of plan.entries) {
      sequence.computed += tokens;
      this.#publish(state, sequence.computed);
      for (const choice of sample) this.#apply(state, results.get(`${state.id} ${choice}`), choice);
      if (!state.forked && sequence.computed >= state.arrival.promptTokens) this.#fork(state);
    }
    for (const state of [...this.#running, ...this.#waiting]) {
      if (state.cancelled || state.sequences.every((s) => s.ended)) this.#drop(state);
    }
    this.#step(at);
  }

  #apply(state: RequestState, result: Produced | undefined, choice: number): void {
    assert(result !== undefined, () => `the executor gave no result for request ${state.id}, choice ${choice}`);
    const sequence = state.sequences[choice]!;
    sequence.produced += result.tokens;
    // Accepted drafts are in the cache already; the last token of a pass never is.
    if (state.forked || state.arrival.choices === 1) sequence.computed += result.tokens - 1;
    sequence.proposed += result.drafted;
    sequence.accepted += Math.max(0, result.tokens - 1);
    if (!result.ended && sequence.produced < state.arrival.tokensMax) return;
    sequence.ended = true;
    if (state.forked) this.#release(sequence);
  }

  #release(sequence: { table: number[] }): void {
    for (const block of sequence.table) this.pool.release(block);
    sequence.table = [];
  }

  #publish(state: RequestState, computed: number): void {
    if (!this.parts.kvCache.sharesPrefixes) return;
    const { hashes, promptTokens } = state.arrival;
    const whole = Math.floor(Math.min(computed, promptTokens) / this.parts.blockSize);
    const { table } = state.sequences[0]!;
    for (let i = 0; i < Math.min(whole, table.length, hashes.length); i++) this.pool.publish(table[i]!, hashes[i]!);
  }

  /** Each choice gets its table of the prompt, shared or copied. */
  #fork(state: RequestState): void {
    const [first, ...rest] = state.sequences;
    state.forked = true;
    if (rest.length > 0) {
      const computed = state.arrival.promptTokens;
      const siblings = rest.map((s) => s.table);
      const forks = this.parts.kvCache.fork(this.pool, { table: first!.table, computed, siblings });
      for (const [i, fork] of forks.entries()) {
        const sibling = rest[i]!;
        sibling.computed = computed;
        for (const block of fork.share) this.pool.share(block);
        if (fork.share.length > 0) sibling.table = [...fork.share];
        this.#copies.push(...fork.copies.map((c) => ({ ...c, request: state.id })));
      }
    }
    for (const sequence of state.sequences) if (sequence.ended) this.#release(sequence);
  }

  #drop(state: RequestState): void {
    this.#running = this.#running.filter((r) => r !== state);
    this.#waiting = this.#waiting.filter((r) => r !== state);
    this.#copies = this.#copies.filter((c) => c.request !== state.id);
    for (const sequence of state.sequences) this.#release(sequence);
    for (const slot of new Set(state.swapped?.flat())) this.pool.releaseSlot(slot);
    state.swapped = undefined;
    this.parts.executor.forget(state.id);
  }
}
