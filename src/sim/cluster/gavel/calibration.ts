/** Profiled epochs, stretched where the job was measured to be much faster or slower than its profile. */
import type { Seconds } from "../../../time/clock.ts";

/** What a lease showed. */
export interface Measured {
  /** Rounds that have ended with it. */
  readonly round: number;
  /** Steps a second. */
  readonly rate: number;
  readonly batch: number;
}

/** A profile that is off by less than this is believed. */
const believed = 0.4;

/** The stretch depends on itself, by the epoch that is not over; it settles in a few passes, or swings between two values. */
const passes = 4;

export class Calibration {
  readonly #profiled: readonly Seconds[];
  readonly #examples: number;
  readonly #roundSeconds: Seconds;
  #seconds: readonly Seconds[];
  #trained = 0;
  #last = 0;
  #fresh = false;

  /** Epochs count in whole seconds, of 1 s at least, as Shockwave plans with them; `examples` are those of one. */
  constructor(seconds: readonly Seconds[], examples: number, roundSeconds: Seconds) {
    this.#profiled = seconds.map((s) => Math.max(1, roundedHalfEven(s)));
    this.#seconds = this.#profiled;
    this.#examples = examples;
    this.#roundSeconds = roundSeconds;
  }

  /** Seconds by epoch. They are corrected when they are asked for: what was measured between two plans counts once, with the last. */
  get seconds(): readonly Seconds[] {
    for (let pass = 0; this.#fresh && pass < passes; pass++) this.#correct();
    this.#fresh = false;
    return this.#seconds;
  }

  /** A measurement counts as if it had held since the one before it, waiting included: so a job that waits looks ahead of its profile. */
  measure({ round, rate, batch }: Measured): void {
    this.#trained += batch * rate * this.#roundSeconds * (round - this.#last);
    this.#last = round;
    this.#fresh = true;
  }

  #correct(): void {
    const foreseen = this.#foreseen(this.#roundSeconds * this.#last);
    if (this.#trained <= 0 || foreseen <= 0 || Math.abs(this.#trained - foreseen) / foreseen <= believed) return;
    const stretch = foreseen / this.#trained;
    this.#seconds = this.#profiled.map((s) => s * stretch);
  }

  /** Examples that the profile would have trained by then, had the job run since the trace began. */
  #foreseen(time: Seconds): number {
    let [passed, epoch] = [0, 0];
    while (epoch < this.#profiled.length && passed + this.#profiled[epoch]! <= time) passed += this.#profiled[epoch++]!;
    const part = time > passed ? (time - passed) / (this.#seconds[epoch] ?? this.#seconds.at(-1)!) : 0;
    return this.#examples * (epoch + part);
  }
}

function roundedHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
