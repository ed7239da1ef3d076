/** A list that only grows at its end, with a weight for each item: sums before a place, and the first place above a sum, in O(log n). */

export class PrefixSums<T> {
  #items: (T | undefined)[] = [];
  /** Fenwick tree: cell i holds the weights of the `i & −i` items up to i, counted from 1. */
  #tree = new Float64Array(17);
  #weights = new Float64Array(16);
  total = 0;

  /** Its key: keys ascend, and are never used again. */
  append(item: T, weight: number): number {
    const key = this.#items.length;
    if (key === this.#weights.length) this.#grow();
    this.#items.push(item);
    this.set(key, weight);
    return key;
  }

  set(key: number, weight: number): void {
    const change = weight - this.#weights[key]!;
    if (change === 0) return;
    this.#weights[key] = weight;
    this.total += change;
    for (let i = key + 1; i < this.#tree.length; i += i & -i) this.#tree[i]! += change;
  }

  remove(key: number): void {
    this.set(key, 0);
    this.#items[key] = undefined;
  }

  /** Weights of all items before `key`. */
  before(key: number): number {
    let sum = 0;
    for (let i = key; i > 0; i -= i & -i) sum += this.#tree[i]!;
    return sum;
  }

  /** The first item that with all before it weighs more than `limit`. */
  firstAbove(limit: number): T | undefined {
    let at = 0;
    let left = limit;
    for (let step = this.#weights.length; step > 0; step >>= 1) {
      const next = at + step;
      if (next >= this.#tree.length || this.#tree[next]! > left) continue;
      left -= this.#tree[next]!;
      at = next;
    }
    return this.#items[at];
  }

  #grow(): void {
    const size = this.#weights.length * 2;
    const weights = new Float64Array(size);
    weights.set(this.#weights);
    const tree = new Float64Array(size + 1);
    for (let i = 1; i <= size; i++) {
      tree[i]! += weights[i - 1]!;
      const parent = i + (i & -i);
      if (parent <= size) tree[parent]! += tree[i]!;
    }
    this.#weights = weights;
    this.#tree = tree;
  }
}
