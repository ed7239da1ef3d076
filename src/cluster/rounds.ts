/** Rounds of a policy, whether its engine decides in rounds or at every event. */
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision } from "./decision.ts";

export class Rounds {
  readonly #seconds: Seconds;
  #began: Seconds = 0;
  #next: Seconds = 0;

  /** `seconds` is the length of a round where the engine has none. */
  constructor(seconds: Seconds) {
    this.#seconds = seconds;
  }

  length(view: ClusterView): Seconds {
    return view.round ?? this.#seconds;
  }

  /** When the round that runs was due: a real scheduler is always a little late for it. */
  get began(): Seconds {
    return this.#began;
  }

  /**
   * Whether a round begins now. It does when nothing runs: nobody is to wait for the end of an empty round. One that begins late ends
   * when it would have ended: lateness does not add up, or a real run would soon have other rounds than its simulation.
   */
  begins(view: ClusterView): boolean {
    if (view.round === undefined && view.now < this.#next && view.runningCount > 0) return false;
    const late = view.round === undefined && view.runningCount > 0 ? (view.now - this.#next) % this.#seconds : 0;
    this.#began = view.now - late;
    this.#next = this.#began + this.#seconds;
    return true;
  }

  /** The decision, and when to decide next where only the policy knows of rounds. */
  until(view: ClusterView, decision: Decision): Decision {
    const idle = view.runningCount + view.waitingCount === 0;
    return view.round !== undefined || idle ? decision : { ...decision, wake: this.#next };
  }
}
