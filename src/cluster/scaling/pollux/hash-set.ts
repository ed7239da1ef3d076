/** Whole numbers of 32 bits, at most `most` of them. */
export class HashSet {
  readonly #values: Int32Array;
  /** A place is taken if it was since the set was last cleared. */
  readonly #since: Int32Array;
  readonly #mask: number;
  #now = 1;

  constructor(most: number) {
    const places = 2 ** Math.ceil(Math.log2(2 * most + 2));
    this.#values = new Int32Array(places);
    this.#since = new Int32Array(places);
    this.#mask = places - 1;
  }

  clear(): void {
    this.#now++;
  }

  /** False where it was there already. */
  add(value: number): boolean {
    let at = (value ^ (value >>> 15)) & this.#mask;
    for (; this.#since[at] === this.#now; at = (at + 1) & this.#mask) if (this.#values[at] === value) return false;
    this.#since[at] = this.#now;
    this.#values[at] = value;
    return true;
  }
}
