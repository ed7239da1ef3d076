/** What a recipe trains on: its files read, a tokenizer learnt from them, and runs of tokens to train on and to hold out. */
import { createHash } from "node:crypto";
import {
  type Document,
  endOfText,
  holdOut,
  parseConversations,
  type TokenRun,
  tokenRun,
  turnBegin,
  turnEnd,
} from "../data/corpus.ts";
import { chatMl } from "../model/chat-templates.ts";
import type { GgufValue } from "../model/gguf-writer.ts";
import { bpeMetadata, learnBpe } from "../model/tokenizer/learn-bpe.ts";
import { tokenizerFromGguf } from "../model/tokenizer/open.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Recipe } from "./recipe.ts";

export interface Corpus {
  readonly tokenizer: Tokenizer;
  /** As the model's file has it. */
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly trained: TokenRun;
  readonly heldOut: TokenRun;
  /** Identifies its content. */
  readonly hash: string;
}

/** `read` gives a file's text. */
export function recipeCorpus({ data, tokenizer, model }: Recipe, read: (path: string) => string): Corpus {
  const documents = [
    ...(data.text ?? []).map((path): Document => ({ text: read(path) })),
    ...(data.chat ?? []).flatMap((path) => parseConversations(path, read(path))),
  ];
  return corpusOf(documents, {
    ...tokenizer,
    chat: data.chat !== undefined,
    heldOut: data.heldOut,
    unit: model.context,
  });
}

export interface CorpusOptions {
  readonly vocabulary: number;
  readonly pre: string;
  /** Whether the model learns turns of conversations, and its file gets their template. */
  readonly chat: boolean;
  readonly heldOut: number;
  /** Tokens of a window. */
  readonly unit: number;
}

export function corpusOf(documents: readonly Document[], options: CorpusOptions): Corpus {
  const controls = [endOfText, ...(options.chat ? [turnBegin, turnEnd] : [])];
  const bpe = learnBpe(
    documents.map(({ text }) => text),
    { vocabulary: options.vocabulary, controls, pre: options.pre },
  );
  const metadata: Record<string, GgufValue> = {
    ...bpeMetadata(bpe, options.chat ? turnEnd : endOfText),
    ...(options.chat && { "tokenizer.chat_template": { string: chatMl } }),
  };
  const values = Object.entries(metadata).map(([key, value]) => [key, Object.values(value)[0]] as const);
  const tokenizer = tokenizerFromGguf(new Map(values));
  const run = tokenRun(documents, tokenizer, bpe.pieces.indexOf(endOfText));
  const [trained, heldOut] = holdOut(run, options.heldOut, options.unit);
  const hash = createHash("sha256")
    .update(JSON.stringify(metadata))
    .update(new Uint8Array(run.tokens.buffer))
    .digest("hex");
  return { tokenizer, metadata, trained, heldOut, hash };
}
