/**
 * Who gets how many GPUs of one node, so that the sum of what jobs lose is least: exactly, since by jobs and GPUs there are few
 * sums (dynamic programming).
 */
export interface Bidder {
  readonly gpusMin: number;
  readonly gpusMax: number;
}

export class NodeProgram {
  #best = new Float64Array(0);
  #next = new Float64Array(0);
  /** By bidder and GPUs that are left to those up to it: what it gets. */
  #choice = new Uint16Array(0);

  /** Losses by bidder, of nothing where `gpus` is 0. GPUs by bidder are written to `sizes`; of equals, less. Returns the loss. */
  solve(
    capacity: number,
    bidders: readonly Bidder[],
    loss: (bidder: number, gpus: number) => number,
    sizes: number[],
  ): number {
    const width = capacity + 1;
    if (this.#best.length < width) [this.#best, this.#next] = [new Float64Array(width), new Float64Array(width)];
    if (this.#choice.length < width * bidders.length) this.#choice = new Uint16Array(2 * width * bidders.length);
    this.#best.fill(0);
    for (let i = 0; i < bidders.length; i++) {
      const { gpusMin, gpusMax } = bidders[i]!;
      const [best, next, choice] = [this.#best, this.#next, this.#choice];
      const row = i * width;
      const none = loss(i, 0);
      for (let k = 0; k < width; k++) {
        next[k] = best[k]! + none;
        choice[row + k] = 0;
      }
      const most = Math.min(gpusMax, capacity);
      for (let gpus = Math.max(gpusMin, 1); gpus <= most; gpus++) {
        const lost = loss(i, gpus);
        for (let k = gpus; k < width; k++) {
          const sum = best[k - gpus]! + lost;
          if (sum >= next[k]!) continue;
          next[k] = sum;
          choice[row + k] = gpus;
        }
      }
      [this.#best, this.#next] = [next, best];
    }
    let left = capacity;
    for (let i = bidders.length - 1; i >= 0; i--) left -= sizes[i] = this.#choice[i * width + left]!;
    return this.#best[capacity]!;
  }
}
