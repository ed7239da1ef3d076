/** What the engine keeps of a request: counts and tables, in the phases prompt → choices → ended. */
import type { RequestNeed, VictimView } from "./kv-cache.ts";
import type { Arrival } from "./log.ts";
import type { RequestView } from "./request.ts";

export interface Sequence {
  readonly choice: number;
  table: number[];
  /** Positions whose keys and values are in the cache. */
  computed: number;
  produced: number;
  ended: boolean;
  proposed: number;
  accepted: number;
}

export class RequestState {
  readonly arrival: Arrival;
  readonly arrivedAt: number;
  readonly sequences: readonly Sequence[];
  started = false;
  /** The prompt is computed and each choice has its own table. */
  forked = false;
  /** Where it was swapped to: for each choice the slots of its table. */
  swapped: readonly (readonly number[])[] | undefined;
  cancelled = false;

  constructor(arrival: Arrival, at: number) {
    this.arrival = arrival;
    this.arrivedAt = at;
    this.sequences = Array.from({ length: arrival.choices }, (_, choice) => ({
      choice,
      table: [],
      computed: 0,
      produced: 0,
      ended: false,
      proposed: 0,
      accepted: 0,
    }));
  }

  get id(): number {
    return this.arrival.id;
  }

  /** Sequences with something to compute: the first alone until the prompt is computed. */
  get active(): readonly Sequence[] {
    return this.forked ? this.sequences.filter((s) => !s.ended) : this.sequences.slice(0, 1);
  }

  /** Position up to which a sequence can be computed now: its last token included, which is not in the cache yet. */
  target(sequence: Sequence): number {
    const { promptTokens, choices } = this.arrival;
    return this.forked || choices === 1 ? promptTokens + sequence.produced : promptTokens;
  }

  left(sequence: Sequence): number {
    return this.target(sequence) - sequence.computed;
  }

  get work(): number {
    return this.active.reduce((n, s) => n + this.left(s), 0);
  }

  /** The choices that get a token when the sequence is computed up to its target. */
  sampled(sequence: Sequence): readonly number[] {
    if (this.forked || this.arrival.choices === 1) return [sequence.choice];
    return this.sequences.filter((s) => s.produced === 0 && !s.ended).map((s) => s.choice);
  }

  get view(): RequestView {
    const { promptTokens, tokensMax, choices } = this.arrival;
    const { id, arrivedAt, work, active, started } = this;
    const decoding = active.every((s) => s.produced > 0 && this.left(s) === 1);
    return { id, arrivedAt, promptTokens, tokensMax, choices, sequences: active.length, work, decoding, started };
  }

  get need(): RequestNeed {
    const { id, promptTokens, tokensMax, choices, hashes } = this.arrival;
    const longest = Math.max(...this.sequences.map((s) => s.produced));
    return { id, promptTokens, tokensMax, choices, hashes, length: promptTokens + longest };
  }

  get victim(): VictimView {
    return { id: this.id, blocks: new Set(this.sequences.flatMap((s) => s.table)).size };
  }
}
