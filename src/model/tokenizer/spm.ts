/**
 * SentencePiece's BPE as GGUF has it: the neighbours whose union has the highest score are joined first, and what is in
 * the end no piece is written as its bytes. A Unigram model, which maximises the sum of scores, is another algorithm.
 */
import { mergePairs } from "./merge.ts";
import { missingByte } from "./text.ts";
import type { Codec } from "./vocabulary.ts";
import { tokenTypes, type Vocabulary } from "./vocabulary.ts";

/** U+2581, which stands for a space in pieces. */
const space = "▁";

export interface SpmOptions {
  /** Higher joins first; indexed by id. */
  readonly scores: ArrayLike<number>;
  /** A space goes before the text, and before each text after a special token. */
  readonly spacePrefix: boolean;
  readonly unknown: number | undefined;
}

export class Spm implements Codec {
  readonly #vocabulary: Vocabulary;
  readonly #options: SpmOptions;
  readonly spacePrefix: boolean;
  #byteIds: readonly (number | undefined)[] | undefined;

  constructor(vocabulary: Vocabulary, options: SpmOptions) {
    this.#vocabulary = vocabulary;
    this.#options = options;
    this.spacePrefix = options.spacePrefix;
  }

  encode(raw: string, afterSpecial: boolean, ids: number[]): void {
    const text = (this.spacePrefix && afterSpecial ? ` ${raw}` : raw).replaceAll(" ", space);
    const { scores } = this.#options;
    const vocabulary = this.#vocabulary;
    const starts = mergePairs(text, (start, _, end) => {
      const id = vocabulary.find(text.slice(start, end));
      return id === undefined ? undefined : -(scores[id] ?? 0);
    });
    for (const [i, start] of starts.entries()) {
      const piece = text.slice(start, starts[i + 1]);
      const id = vocabulary.find(piece);
      if (id === undefined) this.#pushBytes(piece, ids);
      else ids.push(id);
    }
  }

  #pushBytes(piece: string, ids: number[]): void {
    this.#byteIds ??= Array.from({ length: 256 }, (_, byte) => this.#vocabulary.find(byteName(byte)));
    for (const byte of Buffer.from(piece)) {
      const id = this.#byteIds[byte] ?? this.#options.unknown;
      if (id === undefined) throw missingByte(byte);
      ids.push(id);
    }
  }

  bytes(id: number): Uint8Array {
    const piece = this.#vocabulary.piece(id);
    switch (this.#vocabulary.type(id)) {
      case tokenTypes.normal:
        return Buffer.from(piece.replaceAll(space, " "));
      case tokenTypes.userDefined:
        return Buffer.from(piece);
      default:
        return Uint8Array.of(Number.parseInt(piece.slice(3, 5), 16));
    }
  }
}

const byteName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
