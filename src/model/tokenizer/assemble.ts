/** A tokenizer from its parts: special tokens around a codec for everything else. */
import type { EncodeOptions, Tokenizer } from "../tokenizer.ts";
import { SpecialTokens } from "./special-tokens.ts";
import { checkWellFormed, decodeUtf8 } from "./text.ts";
import { type Codec, tokenTypes, type Vocabulary } from "./vocabulary.ts";

export interface Parts {
  readonly vocabulary: Vocabulary;
  readonly codec: Codec;
  /** Put first by `encode`. */
  readonly bos: number | undefined;
  /** Put last by `encode`, where the model was trained so. */
  readonly eosAfter: number | undefined;
  readonly ends: readonly number[];
  readonly templateTokens: NonNullable<Tokenizer["templateTokens"]>;
}

/** Names of tokens that end a turn or a text, whatever the file says; llama.cpp has the same list for the same reason. */
const endNames: ReadonlySet<string> = new Set([
  "<end_of_turn>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|return|>",
  "<|call|>",
  "<EOT>",
  "_<EOT>",
  "<｜end▁of▁sentence｜>",
  "<end_of_utterance>",
]);

/** Ids of the end tokens by name, among those that are not plain text. */
export function namedEnds(vocabulary: Vocabulary): number[] {
  const ends: number[] = [];
  for (let id = 0; id < vocabulary.size; id++) {
    if (vocabulary.type(id) !== tokenTypes.normal && endNames.has(vocabulary.piece(id))) ends.push(id);
  }
  return ends;
}

export function assemble({ vocabulary, codec, bos, eosAfter, ends, templateTokens }: Parts): Tokenizer {
  const endSet = new Set(ends);
  const isControl = (id: number): boolean => {
    const type = vocabulary.type(id);
    return type === tokenTypes.control || type === tokenTypes.unknown || type === tokenTypes.unused || endSet.has(id);
  };
  const bytes = (id: number): Uint8Array => (isControl(id) ? new Uint8Array(0) : codec.bytes(id));
  let specials: SpecialTokens | undefined;

  return {
    vocabulary: vocabulary.size,
    bos,
    ends,
    templateTokens,
    encode(text: string, options: EncodeOptions = {}) {
      checkWellFormed(text);
      specials ??= new SpecialTokens(specialTokens(vocabulary, isControl));
      const ids: number[] = [];
      if (bos !== undefined && options.bos !== false) ids.push(bos);
      let afterSpecial = true;
      for (const part of specials.split(text, options.special !== false)) {
        if (typeof part === "number") ids.push(part);
        else codec.encode(part, afterSpecial, ids);
        afterSpecial = typeof part === "number";
      }
      if (eosAfter !== undefined && options.bos !== false) ids.push(eosAfter);
      return ids;
    },
    decode(ids) {
      const text = decodeUtf8(ids.map(bytes));
      // The space that encoding put before the text is no part of it; ids that continue a text begin with none.
      return codec.spacePrefix && ids[0] === bos && text.startsWith(" ") ? text.slice(1) : text;
    },
    bytes,
    piece: (id) => vocabulary.piece(id),
    isControl,
  };
}

function specialTokens(vocabulary: Vocabulary, isControl: (id: number) => boolean) {
  const found: { id: number; text: string; control: boolean }[] = [];
  for (let id = 0; id < vocabulary.size; id++) {
    const type = vocabulary.type(id);
    const control = isControl(id) && type !== tokenTypes.unused;
    if (control || type === tokenTypes.userDefined) found.push({ id, text: vocabulary.piece(id), control });
  }
  return found;
}
