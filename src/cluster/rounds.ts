/** Rounds of a policy, whether its engine decides in rounds or at every event. */
import type { Seconds } from "../time/clock.ts";
import type { ClusterView, Decision } from "./decision.ts";

export class Rounds {
  readonly #seconds: Seconds;
  #next: Seconds = 0;

  /** `seconds` is the length of a round where the engine has none. */
  constructor(seconds: Seconds) {
    this.#seconds = seconds;
  }

  length(view: ClusterView): Seconds {
    return view.round ?? this.#seconds;
  }

  /** Whether a round begins now. It does when nothing runs: nobody is to wait for the end of an empty round. */
  begins(view: ClusterView): boolean {
    if (view.round !== undefined) return true;
    if (view.now < this.#next && view.runningCount > 0) return false;
    this.#next = view.now + this.#seconds;
    return true;
  }

  /** The decision, and when to decide next where only the policy knows of rounds. */
  until(view: ClusterView, decision: Decision): Decision {
    const idle = view.runningCount + view.waitingCount === 0;
    return view.round !== undefined || idle ? decision : { ...decision, wake: this.#next };
  }
}
