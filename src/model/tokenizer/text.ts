/** What every tokenizer asks of text, and what it gives back. */
import { UserError } from "../../core/errors.ts";

/** Throws a `UserError` where a surrogate stands alone: no sequence of bytes says it. */
export function checkWellFormed(text: string): void {
  const at = text.search(/\p{Surrogate}/u);
  if (at === -1) return;
  const code = text.charCodeAt(at).toString(16).toUpperCase();
  throw new UserError(
    `Tokenising a text: the character at index ${at} is U+${code}, half of a surrogate pair, which is no text.`,
    "Send well-formed Unicode; in JSON a character beyond U+FFFF is two \\u escapes, high and low.",
  );
}

/** What to throw for a byte that no token stands for: left out, it would change the text without a word. */
export function missingByte(byte: number): UserError {
  const name = byte.toString(16).toUpperCase().padStart(2, "0");
  return new UserError(
    `Tokenising a text: it has the byte 0x${name}, and the vocabulary has no token for that nor for what is unknown.`,
    "The file's vocabulary is incomplete: leave the character out, or take another file.",
  );
}

/** Bytes that are not UTF-8 become U+FFFD; a byte order mark is a character like any other. */
export function decodeUtf8(chunks: readonly Uint8Array[]): string {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(all);
}
