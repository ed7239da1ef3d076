/** The tokenizer that a GGUF file describes under `tokenizer.ggml.*`. */
import { UserError } from "../../core/errors.ts";
import { StringList } from "../gguf/string-list.ts";
import type { Tokenizer } from "../tokenizer.ts";
import { assemble, namedEnds } from "./assemble.ts";
import { Bpe } from "./bpe.ts";
import { preTokenizer } from "./pre-tokenizer.ts";
import { Spm } from "./spm.ts";
import { type Codec, type Pieces, tokenTypes, Vocabulary } from "./vocabulary.ts";

type Metadata = ReadonlyMap<string, unknown>;

/** Throws a `UserError` for a kind of tokenizer that is not known and for metadata that contradict themselves. */
export function tokenizerFromGguf(metadata: Metadata): Tokenizer {
  const model = metadata.get("tokenizer.ggml.model");
  if (model !== "llama" && model !== "gpt2") {
    throw new UserError(
      `Reading the tokenizer: tokenizer.ggml.model is ${JSON.stringify(model) ?? "missing"}, which is not supported.`,
      'Heddle reads "llama" (SPM) and "gpt2" (byte-level BPE): take another model.',
    );
  }
  const vocabulary = readVocabulary(metadata);
  const id = (name: string): number | undefined => tokenId(metadata, name, vocabulary.size);
  const { codec, addsBos } =
    model === "llama" ? readSpm(metadata, vocabulary, id("unknown_token_id")) : readBpe(metadata, vocabulary);
  const bos = id("bos_token_id");
  const eos = id("eos_token_id");
  const listed = [eos, id("eot_token_id"), id("eom_token_id"), ...namedEnds(vocabulary)];
  const piece = (token: number | undefined): string => (token === undefined ? "" : vocabulary.piece(token));
  return assemble({
    vocabulary,
    codec,
    bos: flag(metadata, "add_bos_token", addsBos) ? bos : undefined,
    eosAfter: flag(metadata, "add_eos_token", false) ? eos : undefined,
    ends: [...new Set(listed.filter((end) => end !== undefined))],
    templateTokens: { bos: piece(bos), eos: piece(eos) },
  });
}

function readVocabulary(metadata: Metadata): Vocabulary {
  const pieces = list(metadata, "tokens");
  if (!isPieces(pieces) || pieces.length === 0) {
    throw new UserError(
      "Reading the tokenizer: tokenizer.ggml.tokens is missing or is no list of strings.",
      "The file holds no vocabulary: take another, or convert it again.",
    );
  }
  const types = list(metadata, "token_type") ?? new Uint8Array(pieces.length).fill(tokenTypes.normal);
  checkLength("token_type", types.length, pieces.length);
  return new Vocabulary(pieces, types as ArrayLike<number>);
}

function readSpm(
  metadata: Metadata,
  vocabulary: Vocabulary,
  unknown: number | undefined,
): { codec: Codec; addsBos: boolean } {
  const scores = list(metadata, "scores") ?? new Float32Array(vocabulary.size);
  checkLength("scores", scores.length, vocabulary.size);
  const spacePrefix = flag(metadata, "add_space_prefix", true);
  return { codec: new Spm(vocabulary, { scores: scores as ArrayLike<number>, spacePrefix, unknown }), addsBos: true };
}

function readBpe(metadata: Metadata, vocabulary: Vocabulary): { codec: Codec; addsBos: boolean } {
  const merges = list(metadata, "merges");
  if (!isPieces(merges)) {
    throw new UserError(
      "Reading the tokenizer: tokenizer.ggml.merges is missing or is no list of strings.",
      "The file is incomplete: take another, or convert it again.",
    );
  }
  const name = metadata.get("tokenizer.ggml.pre") ?? "default";
  const pre = preTokenizer(String(name));
  return { codec: new Bpe(vocabulary, merges, pre), addsBos: pre.bos };
}

function list(metadata: Metadata, name: string): ArrayLike<unknown> | undefined {
  const value = metadata.get(`tokenizer.ggml.${name}`);
  if (value === undefined) return undefined;
  if (typeof value === "object" && value !== null && "length" in value) return value as ArrayLike<unknown>;
  throw new UserError(
    `Reading the tokenizer: tokenizer.ggml.${name} is no list.`,
    "The file is damaged: take another.",
  );
}

/** Arrays of a GGUF file hold one type. */
function isPieces(list: unknown): list is Pieces {
  if (list instanceof StringList) return true;
  return Array.isArray(list) && (list.length === 0 || typeof list[0] === "string");
}

function checkLength(name: string, length: number, size: number): void {
  if (length === size) return;
  throw new UserError(
    `Reading the tokenizer: tokenizer.ggml.${name} has ${length} elements, and tokenizer.ggml.tokens ${size}.`,
    "The file is damaged: take another, or convert it again.",
  );
}

/** 2³² − 1 means that there is none. */
function tokenId(metadata: Metadata, name: string, size: number): number | undefined {
  const value = metadata.get(`tokenizer.ggml.${name}`);
  if (value === undefined || value === 0xffffffff) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < size) return value;
  throw new UserError(
    `Reading the tokenizer: tokenizer.ggml.${name} is ${String(value)}; token ids are integers from 0 to ${size - 1}.`,
    "The file is damaged: take another, or convert it again.",
  );
}

function flag(metadata: Metadata, name: string, otherwise: boolean): boolean {
  const value = metadata.get(`tokenizer.ggml.${name}`);
  return typeof value === "boolean" ? value : otherwise;
}
