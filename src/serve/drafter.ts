/**
 * Guesses: from a smaller model that shares the block tables of the large one, or looked up in what was read and written. The
 * small model guesses for all sequences of a pass together: one of its steps is one more token for each.
 */
import { draw } from "../core/random.ts";
import type { Row, Runner, StepSequence } from "../model/runner.ts";
import type { DraftDistribution } from "./acceptance.ts";
import type { Pass, SequencePass } from "./executor.ts";
import type { Sampling } from "./generation.ts";
import { RowSampler } from "./sampler.ts";
import type { Speculation } from "./speculation.ts";

export interface Proposal {
  readonly tokens: readonly number[];
  /** For each guess of a draft model, what it was drawn from. */
  readonly distributions: readonly DraftDistribution[] | undefined;
}

/** A sequence, its tokens so far, and how its request samples. */
export interface Asked {
  readonly part: SequencePass;
  readonly tokens: readonly number[];
  readonly sampling: Sampling;
}

/** Draws of the draft model at a position have numbers that no draw of the target has. */
const draftDraw = 1_000_000;

export class Drafter {
  readonly #draft: Runner | undefined;
  readonly #lookup: Speculation["lookup"];
  /** Positions of each sequence that the draft model has computed. */
  readonly #computed = new Map<string, number>();

  constructor(draft: Runner | undefined, lookup: Speculation["lookup"]) {
    this.#draft = draft;
    this.#lookup = lookup;
  }

  /** One proposal for each sequence asked about. */
  async propose(asked: readonly Asked[]): Promise<Proposal[]> {
    const lookup = this.#lookup;
    if (lookup === undefined) return asked.map(() => ({ tokens: [], distributions: undefined }));
    if (this.#draft !== undefined) return this.#run(this.#draft, asked);
    return asked.map(({ part, tokens }) => ({
      tokens: lookUp(tokens, part.drafts, lookup.longest, lookup.shortest),
      distributions: undefined,
    }));
  }

  async #run(draft: Runner, asked: readonly Asked[]): Promise<Proposal[]> {
    const guessing = asked.map((one) => new Guessing(one, this.#computed.get(keyOf(one.part)) ?? 0));
    for (;;) {
      const turns = together(draft, guessing);
      if (turns.length === 0) break;
      const { rows } = await draft.step(turns.map(({ step }) => step));
      let row = 0;
      for (const { of, step } of turns) of.advance(step, step.outputs > 0 ? rows[row++] : undefined);
    }
    for (const { part, computed } of guessing) this.#computed.set(keyOf(part), computed);
    return guessing.map(({ guesses, distributions }) => ({ tokens: guesses, distributions }));
  }

  /** Of `drafted` guesses `accepted` stay: what the draft model computed beyond them is void. */
  settled(part: SequencePass, accepted: number, drafted: number): void {
    const key = keyOf(part);
    const computed = this.#computed.get(key);
    if (computed !== undefined)
      this.#computed.set(key, Math.min(computed, part.start + part.tokens + Math.min(accepted, drafted)));
  }

  /** Keeps the draft's cache in step with moved blocks. A swapped or recomputed sequence is computed again. */
  moved(pass: Pass): void {
    if (this.#draft === undefined) return;
    for (const { from, to } of pass.copies) this.#draft.copyBlock(from, to);
    for (const part of pass.sequences) {
      const known = this.#computed.get(keyOf(part)) ?? 0;
      if (pass.swapIn.length > 0 || part.start < known) this.#computed.set(keyOf(part), 0);
    }
  }

  forget(request: number): void {
    for (const key of this.#computed.keys()) if (key.startsWith(`${request} `)) this.#computed.delete(key);
  }
}

/** One sequence while the draft model runs. */
class Guessing {
  readonly part: SequencePass;
  readonly guesses: number[] = [];
  readonly distributions: DraftDistribution[] = [];
  /** Positions in the draft model's cache. */
  computed: number;
  readonly #sampling: Sampling;
  readonly #tokens: number[];
  /** The draft model gave nothing to guess by. */
  #over = false;

  constructor({ part, tokens, sampling }: Asked, computed: number) {
    this.part = part;
    this.computed = computed;
    this.#sampling = sampling;
    this.#tokens = [...tokens];
  }

  /** What it has to compute next, of `most` tokens at most; `undefined` where it has guessed enough. */
  next(most: number): StepSequence | undefined {
    if (this.#over || this.guesses.length === this.part.drafts) return undefined;
    const tokens = this.#tokens.slice(this.computed, this.computed + most);
    const outputs = this.computed + tokens.length === this.#tokens.length ? 1 : 0;
    const temperature = this.#sampling.temperature || 1;
    return { tokens, start: this.computed, blocks: this.part.table, outputs, temperature };
  }

  advance(step: StepSequence, row: Row | undefined): void {
    this.computed += step.tokens.length;
    if (row === undefined) return;
    const own = { logits: row.logits.slice(), maxima: row.maxima.slice(), sums: row.sums.slice() };
    const sampler = new RowSampler(own, this.#sampling, { produced: new Map(), prompt: new Set() });
    if (!sampler.hasNumbers) {
      this.#over = true;
      return;
    }
    const token = sampler.sample(draw(this.#sampling.seed, this.part.choice, this.#tokens.length, draftDraw));
    this.#tokens.push(token);
    this.guesses.push(token);
    this.distributions.push((other) => sampler.probability(other));
  }
}

/**
 * As many sequences as one step of the draft model holds. Those that still compute a prompt which they share would write the
 * same blocks: they take turns.
 */
function together(
  draft: Runner,
  guessing: readonly Guessing[],
): { readonly of: Guessing; readonly step: StepSequence }[] {
  const turns: { readonly of: Guessing; readonly step: StepSequence }[] = [];
  const written = new Set<number>();
  let left = draft.tokensMax;
  for (const one of guessing) {
    if (left === 0 || turns.length === Math.min(draft.sequencesMax, draft.rowsMax)) break;
    const step = one.next(left);
    if (step === undefined) continue;
    const end = Math.ceil((step.start + step.tokens.length) / draft.blockSize);
    const blocks = one.part.table.slice(Math.floor(step.start / draft.blockSize), end);
    if (blocks.some((block) => written.has(block))) continue;
    for (const block of blocks) written.add(block);
    turns.push({ of: one, step });
    left -= step.tokens.length;
  }
  return turns;
}

const keyOf = ({ request, choice }: SequencePass): string => `${request} ${choice}`;

/** What followed the latest earlier occurrence of the last tokens, the longest match first. */
export function lookUp(tokens: readonly number[], count: number, longest: number, shortest: number): readonly number[] {
  for (let length = longest; length >= shortest; length--) {
    const from = tokens.length - length;
    for (let at = from - 1; at >= 0; at--) {
      let same = 0;
      while (same < length && tokens[at + same] === tokens[from + same]) same++;
      if (same === length) return tokens.slice(at + length, at + length + count);
    }
  }
  return [];
}
