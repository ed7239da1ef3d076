/** A quantity over time that changes at some moments; what it is from the last of them on holds for ever. */
export class Steps {
  /** Ascending, from the first moment that there is. */
  readonly times: number[];
  /** From each of the times up to the next. */
  readonly values: number[];

  constructor(from: number, value: number) {
    this.times = [from];
    this.values = [value];
  }

  copy(): Steps {
    const copy = new Steps(0, 0);
    copy.times.splice(0, 1, ...this.times);
    copy.values.splice(0, 1, ...this.values);
    return copy;
  }

  /** So much more from one moment up to another, which may be infinity. */
  add(from: number, to: number, amount: number): void {
    if (to <= from) return;
    const first = this.#split(from);
    const last = to === Number.POSITIVE_INFINITY ? this.times.length : this.#split(to);
    for (let i = first; i < last; i++) this.values[i]! += amount;
  }

  /** Leaves only the times at which something changes. */
  merge(): void {
    const changes = [...this.times.keys()].filter((i) => this.values[i] !== this.values[i - 1]);
    const [times, values] = [changes.map((i) => this.times[i]!), changes.map((i) => this.values[i]!)];
    this.times.splice(0, this.times.length, ...times);
    this.values.splice(0, this.values.length, ...values);
  }

  /** Index of the time, which becomes one at which something may change. */
  #split(at: number): number {
    const i = this.times.findIndex((time) => time >= at);
    if (i !== -1 && this.times[i] === at) return i;
    const index = i === -1 ? this.times.length : i;
    this.times.splice(index, 0, at);
    this.values.splice(index, 0, this.values[Math.max(0, index - 1)]!);
    return index;
  }
}
