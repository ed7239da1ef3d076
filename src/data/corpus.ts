/** Text and conversations as one run of tokens, with how much each counts when it is to be predicted. */
import { UserError } from "../core/errors.ts";
import type { Tokenizer } from "../model/tokenizer.ts";

export interface Document {
  readonly text: string;
  /** Parts of the text that are learnt, from a byte on and up to one; all of it where it is left out. */
  readonly learnt?: readonly { readonly from: number; readonly to: number }[];
}

/** In memory that threads share. */
export interface TokenRun {
  readonly tokens: Int32Array;
  /** For each token, as a target. */
  readonly weights: Float32Array;
}

/** What separates documents, and ends a text. */
export const endOfText = "<|endoftext|>";
export const turnBegin = "<|im_start|>";
export const turnEnd = "<|im_end|>";

interface Message {
  readonly role: string;
  readonly content: string;
}

/** One conversation as ChatML has it; what the assistant says, and that it ends, is learnt. */
export function conversation(messages: readonly Message[]): Document {
  let text = "";
  const learnt: { from: number; to: number }[] = [];
  for (const { role, content } of messages) {
    text += `${turnBegin}${role}\n`;
    const from = Buffer.byteLength(text);
    text += `${content}${turnEnd}`;
    if (role === "assistant") learnt.push({ from, to: Buffer.byteLength(text) });
    text += "\n";
  }
  return { text, learnt };
}

/** The conversations of a file, one JSON object a line. Throws a `UserError` that names the line. */
export function parseConversations(path: string, text: string): Document[] {
  const found: Document[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const messages = messagesOf(line);
    if (messages === undefined) {
      throw new UserError(
        `Reading ${path}, line ${i + 1}: it is no conversation.`,
        'Each line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.',
      );
    }
    found.push(conversation(messages));
  }
  return found;
}

function messagesOf(line: string): readonly Message[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const messages = typeof value === "object" && value !== null && "messages" in value ? value.messages : undefined;
  const isMessage = (m: unknown): m is Message =>
    typeof m === "object" && m !== null && "role" in m && "content" in m && typeof m.content === "string";
  return Array.isArray(messages) && messages.length > 0 && messages.every(isMessage) ? messages : undefined;
}

/** All documents, each followed by `end`, which is learnt where the document's last token is. */
export function tokenRun(documents: Iterable<Document>, tokenizer: Tokenizer, end: number): TokenRun {
  const parts: { ids: readonly number[]; weights: Float32Array }[] = [];
  for (const { text, learnt } of documents) {
    const ids = [...tokenizer.encode(text, { bos: false }), end];
    parts.push({ ids, weights: weightsOf(ids, tokenizer, learnt) });
  }
  const count = parts.reduce((n, { ids }) => n + ids.length, 0);
  const tokens = new Int32Array(new SharedArrayBuffer(4 * count));
  const weights = new Float32Array(new SharedArrayBuffer(4 * count));
  let at = 0;
  for (const part of parts) {
    tokens.set(part.ids, at);
    weights.set(part.weights, at);
    at += part.ids.length;
  }
  return { tokens, weights };
}

function weightsOf(ids: readonly number[], tokenizer: Tokenizer, learnt: Document["learnt"]): Float32Array {
  if (learnt === undefined) return new Float32Array(ids.length).fill(1);
  let byte = 0;
  return Float32Array.from(ids, (id) => {
    const begin = byte;
    byte += tokenizer.isControl(id) ? Buffer.byteLength(tokenizer.piece(id)) : tokenizer.bytes(id).length;
    return learnt.some(({ from, to }) => begin >= from && begin < to) ? 1 : 0;
  });
}

/** A run in two: what is trained on, and its end, which is not; cut at a multiple of `unit` tokens. */
export function holdOut({ tokens, weights }: TokenRun, share: number, unit: number): readonly [TokenRun, TokenRun] {
  const cut = share === 0 ? tokens.length : Math.floor((tokens.length * (1 - share)) / unit) * unit;
  return [
    { tokens: tokens.subarray(0, cut), weights: weights.subarray(0, cut) },
    { tokens: tokens.subarray(cut), weights: weights.subarray(cut) },
  ];
}
