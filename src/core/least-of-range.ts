/** Numbers by place, some places empty: the least of any range, and the next place that has one, in steps that grow with log(places). */
export class LeastOfRange {
  /** A tree by rows from the root, at 1; leaves from `#leaves` on. Empty places are infinite. */
  readonly #values: Float64Array;
  readonly #leaves: number;

  constructor(places: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(Math.max(1, places)));
    this.#values = new Float64Array(2 * this.#leaves).fill(Number.POSITIVE_INFINITY);
  }

  /** There may be so many places. */
  get size(): number {
    return this.#leaves;
  }

  /** Infinity empties the place. */
  set(place: number, value: number): void {
    const values = this.#values;
    let at = place + this.#leaves;
    values[at] = value;
    for (at >>= 1; at >= 1; at >>= 1) {
      const least = Math.min(values[2 * at]!, values[2 * at + 1]!);
      if (values[at] === least) return;
      values[at] = least;
    }
  }

  /** The first place from `from` up to `to`, which is not included, whose number is the least there; `undefined` where all are empty. */
  least(from: number, to: number): number | undefined {
    const values = this.#values;
    let best = 0;
    let bestRight = 0;
    let [low, high] = [Math.max(0, from) + this.#leaves, Math.min(to, this.#leaves) + this.#leaves];
    // Parts come from the left in order, and from the right in reverse: of equals the leftmost is kept.
    for (; low < high; low >>= 1, high >>= 1) {
      if (low % 2 === 1) {
        if (best === 0 || values[low]! < values[best]!) best = low;
        low++;
      }
      if (high % 2 === 1) {
        high--;
        if (bestRight === 0 || values[high]! <= values[bestRight]!) bestRight = high;
      }
    }
    if (best === 0 || (bestRight !== 0 && values[bestRight]! < values[best]!)) best = bestRight;
    if (best === 0 || values[best] === Number.POSITIVE_INFINITY) return undefined;
    while (best < this.#leaves) best = values[2 * best] === values[best] ? 2 * best : 2 * best + 1;
    return best - this.#leaves;
  }

  /** The first place from here on that is not empty. */
  next(from: number): number | undefined {
    if (from >= this.#leaves) return undefined;
    const values = this.#values;
    let at = from + this.#leaves;
    while (values[at] === Number.POSITIVE_INFINITY) {
      // Up until there is something to the right.
      while (at % 2 === 1) at >>= 1;
      if (at === 0) return undefined;
      at++;
    }
    while (at < this.#leaves) at = values[2 * at] === Number.POSITIVE_INFINITY ? 2 * at + 1 : 2 * at;
    return at - this.#leaves;
  }
}
