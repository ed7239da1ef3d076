/** Text as its bytes arrive: a token may end in the middle of a character. */
export class TextStream {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** The characters that are now whole. What is not UTF-8 becomes U+FFFD. */
  push(bytes: Uint8Array): string {
    return this.#decoder.decode(bytes, { stream: true });
  }

  /** U+FFFD for an unfinished character, if there is one. The stream is then as new. */
  end(): string {
    return this.#decoder.decode();
  }
}
