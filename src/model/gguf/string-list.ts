/**
 * The strings of a GGUF array as they lie in the file: a vocabulary has a quarter of a million, and a run asks for few. None
 * is decoded before it is asked for, and finding one compares bytes.
 */
export class StringList implements Iterable<string> {
  readonly length: number;
  readonly #bytes: Buffer;
  /** Where each begins, with the eight bytes of its length; and where the last ends. */
  readonly #starts: Uint32Array;
  /** By hash, 1 + an index; 0 where there is none. At most half full. */
  #table: Int32Array | undefined;

  /** `bytes` holds the strings, each after its 64-bit length, at `starts`. */
  constructor(bytes: Uint8Array<ArrayBuffer>, starts: Uint32Array) {
    this.length = starts.length - 1;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#starts = starts;
  }

  at(index: number): string | undefined {
    if (!(Number.isInteger(index) && index >= 0 && index < this.length)) return undefined;
    return this.#bytes.toString("utf8", this.#starts[index]! + lengthBytes, this.#starts[index + 1]);
  }

  /** The last of those that are `text`. */
  indexByText(text: string): number | undefined {
    const table = (this.#table ??= this.#hashAll());
    const bytes = Buffer.from(text);
    const slot = this.#slot(table, bytes, 0, bytes.length);
    return table[slot] === 0 ? undefined : table[slot]! - 1;
  }

  #hashAll(): Int32Array {
    const table = new Int32Array(2 ** Math.ceil(Math.log2(2 * this.length + 1)));
    for (let i = 0; i < this.length; i++) {
      table[this.#slot(table, this.#bytes, this.#starts[i]! + lengthBytes, this.#starts[i + 1]!)] = i + 1;
    }
    return table;
  }

  /** Where the string of these bytes is in the table, or belongs. */
  #slot(table: Int32Array, bytes: Buffer, start: number, end: number): number {
    const mask = table.length - 1;
    let slot = hash(bytes, start, end) & mask;
    while (table[slot] !== 0 && !this.#equals(table[slot]! - 1, bytes, start, end)) slot = (slot + 1) & mask;
    return slot;
  }

  #equals(index: number, bytes: Buffer, start: number, end: number): boolean {
    const from = this.#starts[index]! + lengthBytes;
    const length = end - start;
    if (this.#starts[index + 1]! - from !== length) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[from + i] !== bytes[start + i]) return false;
    return true;
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }
}

const lengthBytes = 8;

/** FNV-1a, its high bits mixed into the low ones that choose a slot. */
function hash(bytes: Buffer, start: number, end: number): number {
  let h = 0x811c9dc5;
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h ^ (h >>> 15);
}
