/** When the engine decides: once for all events of an instant, or in rounds; and when a policy asked to be woken. */
import type { Clock, Seconds } from "../time/clock.ts";

export class Timetable {
  readonly #clock: Clock;
  readonly #round: Seconds | undefined;
  readonly #gap: Seconds;
  readonly #decide: () => void;
  #decided: Seconds = Number.NEGATIVE_INFINITY;
  #asked = false;
  #wake: Seconds | undefined;
  /** The next round is this many round lengths after the beginning, or later. */
  #next = 0;

  constructor(clock: Clock, round: Seconds | undefined, gap: Seconds, decide: () => void) {
    this.#clock = clock;
    this.#round = round;
    this.#gap = gap;
    this.#decide = decide;
  }

  /** Something has happened that a policy should know. */
  ask(now: Seconds): void {
    if (this.#asked) return;
    this.#asked = true;
    const fire = (): void => {
      this.#asked = false;
      this.#decide();
    };
    // What was due at the same instant before this was asked for comes before it.
    const open = this.#decided + this.#gap;
    if (this.#round === undefined && open <= now) return this.#clock.at(now, fire);
    const at = this.#round === undefined ? open : this.#nextRound(now, this.#round);
    // A round was asked for long before what happens just when it begins, and comes after it.
    this.#clock.at(at, () => this.#clock.at(at, fire));
  }

  #nextRound(now: Seconds, round: Seconds): Seconds {
    this.#next = Math.max(this.#next, Math.ceil(now / round));
    return this.#next * round;
  }

  decided(now: Seconds, wake: Seconds | undefined, more: boolean): void {
    this.#decided = now;
    if (this.#round !== undefined) {
      this.#next = Math.max(this.#next, Math.floor(now / this.#round)) + 1;
      if (more) this.ask(now);
      return;
    }
    if (wake === this.#wake) return;
    this.#wake = wake;
    if (wake === undefined) return;
    this.#clock.at(wake, () => {
      if (this.#wake !== wake) return;
      this.#wake = undefined;
      this.ask(this.#clock.now());
    });
  }
}

export const earlier = (a: Seconds | undefined, b: Seconds | undefined): Seconds | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
