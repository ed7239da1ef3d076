/**
 * The executor on a real model: holds the tokens of every sequence, runs passes on a `Runner`, samples.
 *
 *     pass ──► swaps, copies ──► drafts ──► runner.step ──► accept, sample ──► listener, done
 *
 * A draw is a function of (seed, choice, position, number of the draw), so what a request gets depends neither on its company
 * nor on recomputation.
 */
import { draw } from "../core/random.ts";
import type { Row, Runner, StepSequence } from "../model/runner.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { accept } from "./acceptance.ts";
import { TokenMasks } from "./constraint/mask.ts";
import { type Asked, Drafter, type Proposal } from "./drafter.ts";
import type { Executor, Pass, Produced, SequencePass } from "./executor.ts";
import { type ConstraintState, type GenerationRequest, NoNumbers, type TokenLogprob } from "./generation.ts";
import { type History, logprobs, RowSampler } from "./sampler.ts";
import type { Speculation } from "./speculation.ts";

/** A token as it is handed on. */
export interface Emitted {
  readonly token: number;
  /** True where the constraint lets nothing follow it. */
  readonly last: boolean;
  readonly logprob?: TokenLogprob;
  readonly top?: readonly TokenLogprob[];
}

export interface Listener {
  /** True ends the choice with this token. */
  emit(choice: number, token: Emitted): boolean;
  /** Nothing more can come of the request. */
  refuse(error: unknown): void;
}

interface Choice {
  /** Prompt and output. */
  readonly tokens: number[];
  readonly produced: Map<number, number>;
  constraint: ConstraintState | undefined;
}

interface Running {
  readonly request: GenerationRequest;
  readonly listener: Listener;
  readonly prompt: ReadonlySet<number>;
  readonly choices: readonly Choice[];
}

/** Of a request that has ended, or ends here. */
const nothing = ({ request, sample }: SequencePass): Produced[] =>
  sample.map((choice) => ({ request, choice, tokens: 1, drafted: 0, ended: true }));

/** Draws by rejection before a constraint's whole mask is worth its cost. */
const rejectionsMax = 16;
const unyieldingMilliseconds = 4;

export class ModelExecutor implements Executor {
  readonly #runner: Runner;
  readonly #tokenizer: Tokenizer;
  readonly #drafter: Drafter;
  readonly #masks: TokenMasks;
  readonly #running = new Map<number, Running>();
  readonly #arena: Uint8Array[];
  readonly #failed: (error: unknown) => void;
  /** What runs between passes: embeddings. */
  readonly #between: (() => Promise<void>)[] = [];
  #busy = false;

  /** `failed` is told of errors that no caller can be: the engine is of no use after one. */
  constructor(parts: {
    readonly runner: Runner;
    readonly draft: Runner | undefined;
    readonly speculation: Speculation;
    readonly tokenizer: Tokenizer;
    readonly swapBlocks: number;
    readonly failed: (error: unknown) => void;
  }) {
    this.#runner = parts.runner;
    this.#tokenizer = parts.tokenizer;
    this.#drafter = new Drafter(parts.draft, parts.speculation.lookup);
    this.#masks = new TokenMasks(parts.tokenizer);
    this.#arena = Array.from({ length: parts.swapBlocks }, () => new Uint8Array(0));
    this.#failed = parts.failed;
  }

  register(id: number, request: GenerationRequest, listener: Listener): void {
    const choices = Array.from({ length: request.choices }, () => ({
      tokens: [...request.prompt],
      produced: new Map<number, number>(),
      constraint: request.constraint,
    }));
    this.#running.set(id, { request, listener, prompt: new Set(request.prompt), choices });
    // Masks are prepared while the prompt is computed; `#run` waits for what is left.
    if (request.constraint !== undefined) void this.#masks.ready(request.constraint);
  }

  forget(request: number): void {
    this.#running.delete(request);
    this.#drafter.forget(request);
  }

  /** Runs when no pass does. */
  between<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#between.push(() => work().then(resolve, reject));
      if (!this.#busy) void this.#exclusively(async () => undefined);
    });
  }

  start(pass: Pass, done: (produced: readonly Produced[]) => void): void {
    this.#exclusively(async () => {
      const produced = await this.#run(pass);
      return () => done(produced);
    }).catch(this.#failed);
  }

  async #exclusively(work: () => Promise<(() => void) | undefined>): Promise<void> {
    if (this.#busy) {
      this.#between.push(async () => {
        try {
          (await work())?.();
        } catch (error) {
          this.#failed(error);
        }
      });
      return;
    }
    this.#busy = true;
    let finish: (() => void) | undefined;
    try {
      for (let next = this.#between.shift(); next !== undefined; next = this.#between.shift()) await next();
      finish = await work();
    } finally {
      this.#busy = false;
    }
    finish?.();
    if (this.#between.length > 0 && !this.#busy) void this.#exclusively(async () => undefined);
  }

  async #run(pass: Pass): Promise<Produced[]> {
    const runner = this.#runner;
    for (const { block, slot } of pass.swapOut) {
      if (this.#arena[slot]!.length === 0) this.#arena[slot] = new Uint8Array(runner.blockBytes);
      runner.readBlock(block, this.#arena[slot]!);
    }
    for (const { slot, block } of pass.swapIn) runner.writeBlock(block, this.#arena[slot]!);
    for (const { from, to } of pass.copies) runner.copyBlock(from, to);
    this.#drafter.moved(pass);
    const proposals = await this.#propose(pass);
    const steps = pass.sequences.map((part, i) => this.#stepOf(part, proposals[i]!));
    const { rows } = await runner.step(steps);
    await this.#constraintsReady(pass);
    const produced: Produced[] = [];
    let row = 0;
    let since = performance.now();
    for (const [i, part] of pass.sequences.entries()) {
      // The same thread serves clients: many rows over a large vocabulary are not chosen from in one go.
      if (performance.now() - since > unyieldingMilliseconds) {
        await new Promise((resolve) => setImmediate(resolve));
        since = performance.now();
      }
      const count = steps[i]!.outputs;
      if (count > 0) produced.push(...this.#sample(part, rows.slice(row, row + count), proposals[i]!));
      row += count;
    }
    return produced;
  }

  async #constraintsReady(pass: Pass): Promise<void> {
    for (const { request, sample } of pass.sequences) {
      const constraint = sample.length > 0 ? this.#running.get(request)?.request.constraint : undefined;
      if (constraint !== undefined) await this.#masks.ready(constraint);
    }
  }

  /** One for each sequence of the pass; empty where nothing may be guessed. */
  async #propose(pass: Pass): Promise<Proposal[]> {
    const asked = pass.sequences.flatMap((part): Asked[] => {
      const running = this.#running.get(part.request);
      const choice = running?.choices[part.choice];
      if (running === undefined || choice === undefined) return [];
      if (part.drafts === 0 || choice.constraint !== undefined) return [];
      return [{ part, tokens: choice.tokens, sampling: running.request.sampling }];
    });
    const proposed = await this.#drafter.propose(asked);
    const proposals = new Map(asked.map(({ part }, i) => [part, proposed[i]!]));
    return pass.sequences.map((part) => proposals.get(part) ?? { tokens: [], distributions: undefined });
  }

  #stepOf(part: SequencePass, proposal: Proposal): StepSequence {
    const running = this.#running.get(part.request);
    // A cancelled request's blocks are still its own until this pass ends; what it computes is of no interest.
    const known = running?.choices[part.choice]?.tokens ?? [];
    const tokens = Array.from({ length: part.tokens }, (_, i) => known[part.start + i] ?? 0);
    return {
      tokens: [...tokens, ...proposal.tokens],
      start: part.start,
      blocks: part.table,
      outputs: part.sample.length > 0 ? 1 + proposal.tokens.length : 0,
      temperature: running?.request.sampling.temperature || 1,
      ...(running?.request.adapter !== undefined && { adapter: running.request.adapter }),
    };
  }

  /** One entry for each sampled choice. */
  #sample(part: SequencePass, rows: readonly Row[], proposal: Proposal): Produced[] {
    const running = this.#running.get(part.request);
    if (running === undefined) return nothing(part);
    const { request } = running;
    if (part.sample.length > 1) return this.#sampleShared(part, rows[0]!, running);
    const choice = part.sample[0]!;
    const state = running.choices[choice]!;
    const before = proposal.tokens.length;
    let tokens = 0;
    for (const [i, row] of rows.entries()) {
      const plain = this.#probe(request, row);
      const sampler = new RowSampler(row, request.sampling, this.#history(running, state));
      const position = state.tokens.length;
      if (!sampler.hasNumbers) {
        running.listener.refuse(new NoNumbers(position));
        return nothing(part);
      }
      const draws = (n: number): number => draw(request.sampling.seed, choice, position, n);
      const guess = proposal.tokens[i];
      const token =
        state.constraint === undefined
          ? accept(sampler, guess, proposal.distributions?.[i], draws)
          : this.#constrained(sampler, state.constraint, draws);
      tokens++;
      const ended = this.#take(running, choice, token, plain);
      if (ended) return [{ request: part.request, choice, tokens, drafted: before, ended: true }];
      if (token !== guess) break;
    }
    this.#drafter.settled(part, tokens - 1, before);
    return [{ request: part.request, choice, tokens, drafted: before, ended: false }];
  }

  /** The choices of a prompt draw from one row: the same adjustments, made once. */
  #sampleShared(part: SequencePass, row: Row, running: Running): Produced[] {
    const { request } = running;
    const plain = this.#probe(request, row);
    const sampler = new RowSampler(row, request.sampling, this.#history(running, running.choices[0]!));
    if (!sampler.hasNumbers) {
      running.listener.refuse(new NoNumbers(request.prompt.length));
      return nothing(part);
    }
    return part.sample.map((choice) => {
      const state = running.choices[choice]!;
      const draws = (n: number): number => draw(request.sampling.seed, choice, state.tokens.length, n);
      const { constraint } = state;
      const token = constraint === undefined ? sampler.sample(draws(0)) : this.#constrained(sampler, constraint, draws);
      const ended = this.#take(running, choice, token, plain);
      return { request: part.request, choice, tokens: 1, drafted: 0, ended };
    });
  }

  #history = (running: Running, { produced }: Choice): History => ({ produced, prompt: running.prompt });

  /** Reads log-probabilities before the row is adjusted: the token is not known yet. */
  #probe(request: GenerationRequest, row: Row): ((token: number) => Omit<Emitted, "token" | "last">) | undefined {
    if (request.logprobs === undefined) return undefined;
    const count = request.logprobs;
    const plain = { ...row, logits: row.logits.slice(), maxima: row.maxima.slice() };
    return (token) => {
      const { own, top } = logprobs(plain, token, count);
      return { logprob: { token, logprob: own }, top: top.map(([t, logprob]) => ({ token: t, logprob })) };
    };
  }

  /** Adds the token to the choice, and hands it on; true where it ended the choice. */
  #take(
    { choices, listener }: Running,
    choice: number,
    token: number,
    plain: ((token: number) => Omit<Emitted, "token" | "last">) | undefined,
  ): boolean {
    const state = choices[choice]!;
    state.tokens.push(token);
    state.produced.set(token, (state.produced.get(token) ?? 0) + 1);
    const before = state.constraint;
    if (before !== undefined) state.constraint = before.advance(this.#tokenizer.bytes(token)) ?? before;
    return listener.emit(choice, { token, last: state.constraint?.closed ?? false, ...plain?.(token) });
  }

  /**
   * A token that the constraint lets through: one that breaks it is removed and another drawn from what is left, which is the
   * distribution under the constraint; after some, all that break it are removed at once. An end is let through where the
   * text may end, and is the only thing where nothing may follow.
   */
  #constrained(sampler: RowSampler, state: ConstraintState, draws: (n: number) => number): number {
    const { ends } = this.#tokenizer;
    if (state.closed && ends.length > 0) return ends[0]!;
    for (let n = 0; ; n++) {
      if (sampler.exhausted) return ends[0] ?? 0;
      const token = sampler.sample(draws(n));
      const bytes = this.#tokenizer.bytes(token);
      const allowed = ends.includes(token) ? state.complete : bytes.length > 0 && state.advance(bytes) !== undefined;
      if (allowed) return token;
      if (n !== rejectionsMax) {
        sampler.remove([token]);
        continue;
      }
      const mask = this.#masks.allowed(state);
      if (state.complete) for (const end of ends) mask[end] = 1;
      const refused: number[] = [];
      for (let id = 0; id < mask.length; id++) if (mask[id] === 0) refused.push(id);
      sampler.remove(refused);
    }
  }
}
