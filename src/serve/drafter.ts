/**
 * Guesses: from a smaller model that shares the block tables of the large one, or looked up in what was read and written.
 */
import { draw } from "../core/random.ts";
import type { Runner } from "../model/runner.ts";
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

  async propose(part: SequencePass, tokens: readonly number[], sampling: Sampling): Promise<Proposal> {
    if (this.#lookup === undefined) return { tokens: [], distributions: undefined };
    if (this.#draft !== undefined) return this.#run(this.#draft, part, tokens, sampling);
    const { longest, shortest } = this.#lookup;
    return { tokens: lookUp(tokens, part.drafts, longest, shortest), distributions: undefined };
  }

  async #run(draft: Runner, part: SequencePass, tokens: readonly number[], sampling: Sampling): Promise<Proposal> {
    const key = keyOf(part);
    const guesses: number[] = [];
    const distributions: DraftDistribution[] = [];
    let computed = this.#computed.get(key) ?? 0;
    while (guesses.length < part.drafts) {
      const all = [...tokens, ...guesses];
      const next = all.slice(computed, computed + draft.tokensMax);
      const complete = computed + next.length === all.length;
      const outputs = complete ? 1 : 0;
      const temperature = sampling.temperature || 1;
      const { rows } = await draft.step([{ tokens: next, start: computed, blocks: part.table, outputs, temperature }]);
      computed += next.length;
      if (!complete) continue;
      const row = rows[0]!;
      const own = { logits: row.logits.slice(), maxima: row.maxima.slice(), sums: row.sums.slice() };
      const sampler = new RowSampler(own, sampling, { produced: new Map(), prompt: new Set() });
      guesses.push(sampler.sample(draw(sampling.seed, part.choice, all.length, draftDraw)));
      distributions.push((token) => sampler.probability(token));
    }
    this.#computed.set(key, computed);
    return { tokens: guesses, distributions };
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
