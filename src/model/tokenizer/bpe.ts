/** Byte-level BPE as GPT-2 has it: words by a regular expression, bytes as characters, merges in the order they were learnt. */
import { byteLevelCharacters, fromByteLevel, toByteLevel } from "./byte-level.ts";
import { mergePairs } from "./merge.ts";
import { type PreTokenizer, splitWords } from "./pre-tokenizer.ts";
import { missingByte } from "./text.ts";
import { type Codec, type Pieces, tokenTypes, type Vocabulary } from "./vocabulary.ts";

/** Words remembered with their tokens; text repeats itself. */
const rememberedMax = 8192;

export class Bpe implements Codec {
  readonly spacePrefix = false;
  readonly #vocabulary: Vocabulary;
  readonly #merges: Pieces;
  readonly #pre: PreTokenizer;
  readonly #remembered = new Map<string, readonly number[]>();
  #ranks: ReadonlyMap<string, number> | undefined;

  /** `merges[rank]` is `left right`. */
  constructor(vocabulary: Vocabulary, merges: Pieces, pre: PreTokenizer) {
    this.#vocabulary = vocabulary;
    this.#merges = merges;
    this.#pre = pre;
  }

  encode(text: string, _afterSpecial: boolean, ids: number[]): void {
    for (const word of splitWords(text, this.#pre.patterns)) {
      let tokens = this.#remembered.get(word);
      if (tokens === undefined) {
        tokens = this.#encodeWord(toByteLevel(word));
        if (this.#remembered.size >= rememberedMax) this.#remembered.clear();
        this.#remembered.set(word, tokens);
      }
      for (const id of tokens) ids.push(id);
    }
  }

  #encodeWord(word: string): readonly number[] {
    const whole = this.#pre.wholeWords ? this.#vocabulary.find(word) : undefined;
    if (whole !== undefined) return [whole];
    const ranks = (this.#ranks ??= this.#build());
    const starts = mergePairs(word, (start, middle, end) =>
      ranks.get(`${word.slice(start, middle)} ${word.slice(middle, end)}`),
    );
    return starts.flatMap((start, i) => {
      const piece = word.slice(start, starts[i + 1]);
      const id = this.#vocabulary.find(piece);
      // A merge that leads to no token is a fault of the file; its bytes still say the same.
      return id !== undefined ? id : Array.from(piece, (character) => this.#byte(character));
    });
  }

  #byte(character: string): number {
    const id = this.#vocabulary.find(character);
    if (id === undefined) throw missingByte(byteLevelCharacters.indexOf(character));
    return id;
  }

  #build(): ReadonlyMap<string, number> {
    const ranks = new Map<string, number>();
    for (let rank = 0; rank < this.#merges.length; rank++) {
      const merge = this.#merges.at(rank)!;
      if (!ranks.has(merge)) ranks.set(merge, rank);
    }
    return ranks;
  }

  bytes(id: number): Uint8Array {
    const piece = this.#vocabulary.piece(id);
    return this.#vocabulary.type(id) === tokenTypes.userDefined ? Buffer.from(piece) : fromByteLevel(piece);
  }
}
