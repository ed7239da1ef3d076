/**
 * The tokenizer that Hugging Face's tokenizer.json describes.
 *
 * Splitting and merging are the library's; the bytes of a token are ours, because a stream needs them for one token alone,
 * and decoders are written for whole texts.
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { UserError } from "../../core/errors.ts";
import type { EncodeOptions, Tokenizer } from "../tokenizer.ts";
import { namedEnds } from "./assemble.ts";
import { fromByteLevel } from "./byte-level.ts";
import { checkWellFormed, decodeUtf8 } from "./text.ts";
import { tokenTypes, Vocabulary } from "./vocabulary.ts";

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

export interface JsonConfigs {
  /** tokenizer_config.json, generation_config.json and config.json, each where there is one. */
  readonly tokenizerConfig?: unknown;
  readonly generationConfig?: unknown;
  readonly modelConfig?: unknown;
}

/** Throws a `UserError` for what is not a tokenizer.json, or is one of a kind that is not known. */
export function tokenizerFromJson(json: unknown, configs: JsonConfigs): Tokenizer {
  const model = field(json, "model");
  const kind = field(model, "type") ?? (field(model, "merges") === undefined ? undefined : "BPE");
  if (!isRecord(json) || !isRecord(model) || (kind !== "BPE" && kind !== "Unigram")) {
    throw new UserError(
      `Reading tokenizer.json: its model is ${JSON.stringify(kind) ?? "missing"}, and BPE or Unigram is needed.`,
      "Download it again, or take another model.",
    );
  }
  const added = addedTokens(json);
  const vocabulary = readVocabulary(model, added);
  const decoding = readDecoder(json);
  const { encode, around } = encoder(json, added);
  const { bos, named } = readBos(around, vocabulary, configs);
  const after = around.slice(around[0] === bos ? 1 : 0);
  const ends = readEnds(vocabulary, configs);
  const piece = (id: number | undefined): string => (id === undefined ? "" : vocabulary.piece(id));
  const isControl = (id: number): boolean => vocabulary.type(id) !== tokenTypes.userDefined && !isText(id);
  const isText = (id: number): boolean => vocabulary.type(id) === tokenTypes.normal && !ends.includes(id);
  const bytes = (id: number): Uint8Array => {
    if (isControl(id)) return new Uint8Array(0);
    return isText(id) ? decoding.bytes(vocabulary.piece(id)) : Buffer.from(vocabulary.piece(id));
  };
  return {
    vocabulary: vocabulary.size,
    bos,
    ends,
    templateTokens: { bos: piece(named), eos: piece(ends[0]) },
    encode(text: string, options: EncodeOptions = {}) {
      checkWellFormed(text);
      const ids = encode(text, options.special !== false);
      if (options.bos === false) return ids;
      return [...(bos === undefined ? [] : [bos]), ...ids, ...after];
    },
    decode(ids) {
      const text = decodeUtf8(ids.map(bytes));
      return decoding.spacePrefix && ids[0] === bos && text.startsWith(" ") ? text.slice(1) : text;
    },
    bytes,
    piece: (id) => vocabulary.piece(id),
    isControl,
  };
}

interface Encoder {
  encode(text: string, special: boolean): number[];
  /** What the file's post-processor puts before and after a text. */
  readonly around: readonly number[];
}

function encoder(json: Record<string, unknown>, added: readonly AddedToken[]): Encoder {
  const open = (tokens: readonly AddedToken[]): Library => {
    try {
      return new Library({ ...json, added_tokens: tokens }, {});
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new UserError(`Reading tokenizer.json: ${reason}.`, "Download it again, or take another model.");
    }
  };
  const library = open(added);
  let plain: Library | undefined;
  const encode = (text: string, special: boolean): number[] => {
    const chosen = special ? library : (plain ??= open(added.filter((token) => !token.special)));
    const ids: (number | undefined)[] = chosen.encode(text, { add_special_tokens: false }).ids;
    return ids.map((id, i) => {
      if (id !== undefined) return id;
      throw new UserError(
        `Tokenising a text: its token ${i} is not in the vocabulary, which has no token for what is unknown.`,
        "tokenizer.json is incomplete: download it again.",
      );
    });
  };
  return { encode, around: library.encode("").ids };
}

function addedTokens(json: Record<string, unknown>): AddedToken[] {
  const list: unknown = json.added_tokens ?? [];
  const wrong = (): never => {
    throw new UserError(
      "Reading tokenizer.json: added_tokens is not a list of {id, content, special}.",
      "Download it again.",
    );
  };
  if (!Array.isArray(list)) return wrong();
  return list.map((token: unknown) => {
    const id = field(token, "id");
    const content = field(token, "content");
    if (typeof id !== "number" || typeof content !== "string") return wrong();
    return { ...(token as object), id, content, special: field(token, "special") === true };
  });
}

function readVocabulary(model: Record<string, unknown>, added: readonly AddedToken[]): Vocabulary {
  const pieces: string[] = [];
  const types: number[] = [];
  const put = (id: number, piece: string, type: number): void => {
    pieces[id] = piece;
    types[id] = type;
  };
  const { vocab } = model;
  if (Array.isArray(vocab)) {
    for (const [id, entry] of (vocab as readonly unknown[][]).entries()) put(id, String(entry[0]), tokenTypes.normal);
  } else if (isRecord(vocab)) {
    for (const [piece, id] of Object.entries(vocab)) put(Number(id), piece, tokenTypes.normal);
  }
  for (const { id, content, special } of added) {
    put(id, content, special ? tokenTypes.control : tokenTypes.userDefined);
  }
  if (pieces.length === 0) {
    throw new UserError("Reading tokenizer.json: its vocabulary is empty.", "Download it again.");
  }
  return new Vocabulary(pieces, types);
}

/** The token that encoding puts first, and the one that templates call `bos_token`. */
function readBos(
  around: readonly number[],
  vocabulary: Vocabulary,
  configs: JsonConfigs,
): { bos: number | undefined; named: number | undefined } {
  const { tokenizerConfig } = configs;
  const text = tokenText(field(tokenizerConfig, "bos_token"));
  const named = text === undefined ? integers(field(configs.modelConfig, "bos_token_id"))[0] : vocabulary.find(text);
  const eos = tokenText(field(tokenizerConfig, "eos_token"));
  const first = around[0];
  if (first !== undefined && vocabulary.piece(first) !== eos) return { bos: first, named: named ?? first };
  return { bos: field(tokenizerConfig, "add_bos_token") === true ? named : undefined, named };
}

function readEnds(vocabulary: Vocabulary, configs: JsonConfigs): number[] {
  const { tokenizerConfig, generationConfig, modelConfig } = configs;
  const text = tokenText(field(tokenizerConfig, "eos_token"));
  const named = text === undefined ? undefined : vocabulary.find(text);
  const ends = [
    ...(named === undefined ? [] : [named]),
    ...integers(field(generationConfig, "eos_token_id")),
    ...integers(field(modelConfig, "eos_token_id")),
    ...integers(field(field(modelConfig, "text_config"), "eos_token_id")),
    ...namedEnds(vocabulary),
  ];
  return [...new Set(ends)].filter((id) => id < vocabulary.size);
}

interface Decoding {
  bytes(piece: string): Uint8Array;
  /** True where a decoder takes away the space that encoding put before the text. */
  readonly spacePrefix: boolean;
}

function readDecoder(json: Record<string, unknown>): Decoding {
  const steps = flatten(json.decoder);
  const types = steps.map((step) => step.type);
  if (types.includes("ByteLevel")) return { bytes: fromByteLevel, spacePrefix: false };
  const unknown = types.find((t) => !["Replace", "Metaspace", "ByteFallback", "Fuse", "Strip"].includes(String(t)));
  if (unknown !== undefined || steps.length === 0) {
    throw new UserError(
      `Reading tokenizer.json: its decoder is ${JSON.stringify(unknown) ?? "missing"}, which is not supported.`,
      "Heddle knows ByteLevel, Metaspace, Replace, ByteFallback, Fuse and Strip: take another model.",
    );
  }
  const replaces = steps.flatMap((step): [string, string][] => {
    if (step.type === "Metaspace") return [[String(step.replacement ?? "▁"), " "]];
    const from = field(step.pattern, "String");
    return step.type === "Replace" && typeof from === "string" ? [[from, String(step.content ?? "")]] : [];
  });
  const fallback = types.includes("ByteFallback");
  return {
    bytes(piece) {
      const byte = fallback ? /^<0x([0-9A-F]{2})>$/.exec(piece)?.[1] : undefined;
      if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
      return Buffer.from(replaces.reduce((text, [from, to]) => text.replaceAll(from, to), piece));
    },
    spacePrefix: steps.some(
      (step) =>
        (step.type === "Strip" && Number(step.start) > 0) ||
        (step.type === "Metaspace" && step.prepend_scheme !== "never" && step.add_prefix_space !== false),
    ),
  };
}

function flatten(decoder: unknown): Record<string, unknown>[] {
  if (!isRecord(decoder)) return [];
  return decoder.type === "Sequence" && Array.isArray(decoder.decoders) ? decoder.decoders.flatMap(flatten) : [decoder];
}

/** A token in tokenizer_config.json is a string, or an object with its content. */
function tokenText(value: unknown): string | undefined {
  const text = typeof value === "string" ? value : field(value, "content");
  return typeof text === "string" ? text : undefined;
}

function integers(value: unknown): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((id): id is number => typeof id === "number" && Number.isInteger(id) && id >= 0);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const field = (value: unknown, name: string): unknown => (isRecord(value) ? value[name] : undefined);
