/** GPT-2's way to write any byte as a printable character: those that print are themselves, the others follow U+0100. */
export const byteLevelCharacters: readonly string[] = Object.freeze(characters());

const byteOfCharacter: ReadonlyMap<string, number> = new Map(byteLevelCharacters.map((c, byte) => [c, byte]));

function characters(): string[] {
  const prints = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(prints(byte) ? byte : 0x100 + others++));
}

export function toByteLevel(text: string): string {
  let out = "";
  for (const byte of Buffer.from(text)) out += byteLevelCharacters[byte]!;
  return out;
}

/** A character that stands for no byte is taken as itself. */
export function fromByteLevel(piece: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of piece) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) bytes.push(...Buffer.from(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
