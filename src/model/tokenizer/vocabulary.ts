/** The pieces of a tokenizer and what they are for. Finding a piece by its text is prepared when it is first asked for. */

/** GGUF's `tokenizer.ggml.token_type`. */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** What differs between kinds of tokenizers: text without special tokens to ids, and an id that has text to its bytes. */
export interface Codec {
  /** True where encoding puts a space before the text. */
  readonly spacePrefix: boolean;
  /** Appends the ids of `text`, which is not empty; `afterSpecial` at its start and after special tokens. */
  encode(text: string, afterSpecial: boolean, ids: number[]): void;
  bytes(id: number): Uint8Array;
}

/** An array, or a list that knows where a text is in it. */
export interface Pieces {
  readonly length: number;
  at(index: number): string | undefined;
  /** Of several the last. */
  indexByText?(text: string): number | undefined;
}

export class Vocabulary {
  readonly size: number;
  readonly #pieces: Pieces;
  readonly #types: ArrayLike<number>;
  #ids: ReadonlyMap<string, number> | undefined;

  constructor(pieces: Pieces, types: ArrayLike<number>) {
    this.size = pieces.length;
    this.#pieces = pieces;
    this.#types = types;
  }

  piece(id: number): string {
    return this.#pieces.at(id) ?? `<${id}>`;
  }

  type(id: number): number {
    return this.#types[id] ?? tokenTypes.unused;
  }

  /** Of several ids with one text the last, as llama.cpp has it. */
  find(piece: string): number | undefined {
    if (this.#pieces.indexByText !== undefined) return this.#pieces.indexByText(piece);
    this.#ids ??= this.#build();
    return this.#ids.get(piece);
  }

  #build(): ReadonlyMap<string, number> {
    const ids = new Map<string, number>();
    for (let id = 0; id < this.size; id++) ids.set(this.#pieces.at(id)!, id);
    return ids;
  }
}
