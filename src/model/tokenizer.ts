/** Text to token ids and back. The algorithms are in `tokenizer/`; this file is their contract. */
export interface EncodeOptions {
  /** Put the beginning-of-sequence token first, where the model has one. Default true. */
  readonly bos?: boolean;
  /** Read special tokens written in the text (`<start_of_turn>`) as such, not as characters. Default true. */
  readonly special?: boolean;
}

export interface Tokenizer {
  readonly vocabulary: number;
  readonly bos: number | undefined;
  /** Tokens that end a generation (end of sequence, end of turn). */
  readonly ends: readonly number[];
  /** What chat templates write for `bos_token` and `eos_token`: a file may name a `bos` that `encode` does not add. */
  readonly templateTokens?: { readonly bos: string; readonly eos: string };
  /** `text` must be well-formed Unicode: a lone surrogate is a `UserError`. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Bytes that are not valid UTF-8 decode to U+FFFD. Control tokens decode to nothing. */
  decode(ids: readonly number[]): string;
  /** The bytes that a token stands for in running text; empty for control tokens. */
  bytes(id: number): Uint8Array;
  /** How the token is written in the vocabulary, for people: `▁the`, `<bos>`. */
  piece(id: number): string;
  isControl(id: number): boolean;
}
