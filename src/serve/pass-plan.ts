/** One pass while it is being put together: admissions, blocks, drafts, and who had to give way for them. */
import { assert } from "../core/errors.ts";
import type { BlockPool } from "./block-pool.ts";
import type { EngineParts } from "./engine.ts";
import type { Pass, SequencePass } from "./executor.ts";
import type { RequestState, Sequence } from "./request-state.ts";

interface Entry {
  readonly state: RequestState;
  readonly sequence: Sequence;
  readonly tokens: number;
  readonly sample: readonly number[];
  drafts: number;
}

type Move = { readonly request: number; readonly from: number; readonly to: number };

export class PassPlan {
  readonly #parts: EngineParts;
  readonly #pool: BlockPool;
  readonly #running: readonly RequestState[];
  entries: Entry[] = [];
  #copies: Move[] = [];
  #swapOut: { readonly block: number; readonly slot: number }[] = [];
  #swapIn: { readonly request: number; readonly slot: number; readonly block: number }[] = [];
  /** Free once the pass is planned: what it swaps out is copied before these are read. */
  readonly #slotsRead: number[] = [];
  admitted: number[] = [];
  readonly preempted: { readonly request: number; readonly how: "recompute" | "swap" }[] = [];
  readonly victims: RequestState[] = [];
  /** A waiting request was refused: those behind it wait as well. */
  refused = false;

  constructor(parts: EngineParts, pool: BlockPool, running: readonly RequestState[]) {
    this.#parts = parts;
    this.#pool = pool;
    this.#running = running;
  }

  get empty(): boolean {
    return this.entries.length === 0;
  }

  has = (request: number): boolean => this.entries.some((e) => e.state.id === request);
  wasPreempted = (request: number): boolean => this.victims.some((v) => v.id === request);

  /** Gives a waiting request its first blocks; false where the cache has no room for it. */
  admit(state: RequestState, alone: boolean): boolean {
    const admitted = state.swapped === undefined ? this.#begin(state, alone) : this.#restore(state, alone);
    if (!admitted) {
      this.refused = true;
      return false;
    }
    state.started = true;
    this.admitted.push(state.id);
    return true;
  }

  #begin(state: RequestState, alone: boolean): boolean {
    const { kvCache, names, blockSize } = this.#parts;
    const decision = kvCache.admit(this.#pool, state.need, alone);
    if (decision === undefined) return false;
    const { tables, sharedBlocks } = decision;
    assert(tables.length === state.sequences.length, () => `${names.kvCache} gave ${tables.length} tables`);
    for (const [choice, table] of tables.entries()) {
      for (const [i, block] of table.entries()) {
        if (choice === 0 && i < sharedBlocks) this.#pool.share(block);
        else this.#pool.take(block);
      }
      state.sequences[choice]!.table = [...table];
    }
    const first = state.sequences[0]!;
    first.computed = sharedBlocks * blockSize;
    assert(first.computed < state.arrival.promptTokens, () => `${names.kvCache} shared the whole prompt`);
    return true;
  }

  #restore(state: RequestState, alone: boolean): boolean {
    const slots = [...new Set(state.swapped!.flat())];
    const blocks = this.#parts.kvCache.restore(this.#pool, slots.length, alone);
    if (blocks === undefined) return false;
    assert(
      blocks.length === slots.length,
      () => `${this.#parts.names.kvCache} restored ${blocks.length} blocks of ${slots.length}`,
    );
    const blockOf = new Map(slots.map((slot, i) => [slot, blocks[i]!]));
    const taken = new Set<number>();
    for (const [choice, table] of state.swapped!.entries()) {
      state.sequences[choice]!.table = table.map((slot) => {
        const block = blockOf.get(slot)!;
        if (taken.has(block)) this.#pool.share(block);
        else this.#pool.take(block);
        taken.add(block);
        return block;
      });
    }
    for (const [slot, block] of blockOf) {
      this.#swapIn.push({ request: state.id, slot, block });
      this.#slotsRead.push(slot);
    }
    state.swapped = undefined;
    return true;
  }

  /** Splits `tokens` among the request's sequences, and finds blocks for each. */
  add(state: RequestState, tokens: number): void {
    let left = Math.min(tokens, state.work, this.#parts.limits.tokens - this.#tokens());
    for (const sequence of state.active) {
      const part = Math.min(left, state.left(sequence));
      if (part === 0) continue;
      // One request may have more choices than a pass has room for: the last of them take their turn later.
      if (this.entries.length === this.#parts.limits.sequences) return;
      left -= part;
      const complete = part === state.left(sequence);
      const sample = complete ? state.sampled(sequence) : [];
      if (!this.#grow(state, sequence, sequence.computed + part)) return;
      this.entries.push({ state, sequence, tokens: part, sample, drafts: 0 });
    }
  }

  #tokens = (): number => this.entries.reduce((n, e) => n + e.tokens, 0);

  /** Blocks for positions below `until`, preempting as the policy says; false where the request itself gave way. */
  #grow(state: RequestState, sequence: Sequence, until: number): boolean {
    const { kvCache, names } = this.#parts;
    for (;;) {
      if (this.#tryGrow(state, sequence, until)) return true;
      const running = this.#running.filter(
        (r) => !this.victims.includes(r) && r.sequences.some((s) => s.table.length > 0),
      );
      const decision = kvCache.preempt(
        this.#pool,
        running.map((r) => r.victim),
        state.id,
      );
      const victim = decision.request === state.id ? state : running.find((r) => r.id === decision.request);
      assert(
        victim !== undefined,
        () => `${names.kvCache} preempted request ${decision.request}, which is not running`,
      );
      this.#preempt(victim, decision.how);
      if (victim === state) return false;
    }
  }

  #tryGrow(state: RequestState, sequence: Sequence, until: number): boolean {
    const growth = this.#parts.kvCache.grow(this.#pool, { table: sequence.table, computed: sequence.computed, until });
    if (growth === undefined) return false;
    for (const { index, to } of growth.copies) {
      const from = sequence.table[index]!;
      this.#pool.take(to);
      this.#pool.release(from);
      sequence.table[index] = to;
      this.#copies.push({ request: state.id, from, to });
    }
    for (const block of growth.take) {
      this.#pool.take(block);
      sequence.table.push(block);
    }
    const enough = sequence.table.length * this.#parts.blockSize >= until;
    assert(enough, () => `${this.#parts.names.kvCache} gave ${sequence.table.length} blocks for ${until} positions`);
    return true;
  }

  #preempt(state: RequestState, asked: "recompute" | "swap"): void {
    // What this pass was to swap in is not in the cache yet, so it cannot be swapped out again.
    const how = this.#swapIn.some((s) => s.request === state.id) ? "recompute" : asked;
    this.victims.push(state);
    this.preempted.push({ request: state.id, how });
    this.entries = this.entries.filter((e) => e.state !== state);
    const unmade = new Map(this.#copies.filter((c) => c.request === state.id).map(({ from, to }) => [to, from]));
    this.#copies = this.#copies.filter((c) => c.request !== state.id);
    this.#swapIn = this.#swapIn.filter((s) => s.request !== state.id);
    this.admitted = this.admitted.filter((id) => id !== state.id);
    if (how === "swap") this.#swapOutOf(state, unmade);
    for (const sequence of state.sequences) {
      for (const block of sequence.table) this.#pool.release(block);
      sequence.table = [];
      if (how === "recompute") sequence.computed = 0;
    }
    if (how === "recompute") state.forked = false;
  }

  /** A block that a copy of this pass was to fill is read from where the copy would have come. */
  #swapOutOf(state: RequestState, unmade: ReadonlyMap<number, number>): void {
    const slotOf = new Map<number, number>();
    state.swapped = state.sequences.map((s) =>
      s.table.map((block) => {
        const slot = slotOf.get(block) ?? this.#pool.takeSlot();
        slotOf.set(block, slot);
        return slot;
      }),
    );
    for (const [block, slot] of slotOf) this.#swapOut.push({ block: unmade.get(block) ?? block, slot });
  }

  /** Asks how many guesses each decoding sequence may verify, and makes room for them where there is some. */
  finish(): void {
    for (const slot of this.#slotsRead) this.#pool.releaseSlot(slot);
    const { speculation, names, limits } = this.#parts;
    const decoding = this.entries.filter((e) => e.tokens === 1 && e.sample.length === 1 && e.sequence.produced > 0);
    const rows = this.entries.reduce((n, e) => n + e.sample.length, 0);
    const tokensLeft = Math.max(0, Math.min(limits.tokens - this.#tokens(), limits.sequences - rows));
    const sequences = decoding.map(({ state, sequence }) => ({
      request: state.id,
      choice: sequence.choice,
      tokensLeft: state.arrival.tokensMax - sequence.produced,
      proposed: sequence.proposed,
      accepted: sequence.accepted,
    }));
    const drafts = speculation.drafts({ sequences, tokensLeft });
    const total = drafts.reduce((a, b) => a + b, 0);
    assert(
      drafts.length === decoding.length && total <= tokensLeft,
      () => `${names.speculation} drafted ${total} of ${tokensLeft}`,
    );
    for (const [i, entry] of decoding.entries()) {
      const until = entry.sequence.computed + 1 + drafts[i]!;
      if (drafts[i]! > 0 && this.#tryGrow(entry.state, entry.sequence, until)) entry.drafts = drafts[i]!;
    }
  }

  pass(before: readonly { readonly from: number; readonly to: number }[]): Pass {
    const sequences = this.entries.map(
      ({ state, sequence, tokens, sample, drafts }): SequencePass => ({
        request: state.id,
        choice: sequence.choice,
        start: sequence.computed,
        tokens,
        table: [...sequence.table],
        sample,
        drafts,
      }),
    );
    return {
      swapOut: this.#swapOut,
      swapIn: this.#swapIn.map(({ slot, block }) => ({ slot, block })),
      copies: [...before, ...this.#copies.map(({ from, to }) => ({ from, to }))],
      sequences,
    };
  }

  /** How much of what is held will hold something: the rest is waste. */
  usage(): { readonly blocksHeld: number; readonly positionsUsed: number } {
    const used = new Map<number, number>();
    const coming = new Map(this.entries.map((e) => [e.sequence, e.tokens]));
    for (const state of this.#running) {
      for (const sequence of state.sequences) {
        const until = sequence.computed + (coming.get(sequence) ?? 0);
        for (const [i, block] of sequence.table.entries()) {
          const filled = Math.min(Math.max(until - i * this.#parts.blockSize, 0), this.#parts.blockSize);
          used.set(block, Math.max(used.get(block) ?? 0, filled));
        }
      }
    }
    return { blocksHeld: used.size, positionsUsed: [...used.values()].reduce((a, b) => a + b, 0) };
  }
}
