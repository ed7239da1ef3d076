/** How conversations become tokens: the chat template, and the tokenizer, learnt from the examples. */
import type { GgufValue } from "../../model/gguf-writer.ts";
import { tokenizerFromGguf } from "../../model/tokenizer/from-gguf.ts";
import { bpeMetadata, learnBpe } from "../../model/tokenizer/learn-bpe.ts";
import type { Tokenizer } from "../../model/tokenizer.ts";
import { exampleAt } from "./examples.ts";

/** `<|user|>What is 2 + 3?<|end|><|assistant|>2 + 3 = 5.<|end|>` */
export const chatTemplate =
  "{%- for message in messages -%}" +
  "{{ '<|' + message.role + '|>' + message.content | trim + '<|end|>' }}" +
  "{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|assistant|>' }}{%- endif -%}";

export const turn = (role: "user" | "assistant" | "system", content: string): string => `<|${role}|>${content}<|end|>`;

export interface LearntTokenizer {
  readonly tokenizer: Tokenizer;
  /** What a GGUF file says of it, the chat template included. */
  readonly metadata: Readonly<Record<string, GgufValue>>;
}

/** Digits stand alone (the pre-tokenizer `smollm`), so that numbers are read and written digit by digit. */
export function learnTokenizer(vocabulary = 2048, examples = 20000): LearntTokenizer {
  const controls = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"];
  const learnt = learnBpe(texts(examples), { vocabulary, controls, pre: "smollm" });
  const metadata = { ...bpeMetadata(learnt, "<|end|>"), "tokenizer.chat_template": { string: chatTemplate } };
  const plain = Object.entries(metadata).map(([key, value]) => [key, Object.values(value)[0]] as const);
  return { tokenizer: tokenizerFromGguf(new Map<string, unknown>(plain)), metadata };
}

function* texts(count: number): Generator<string> {
  for (let i = 0; i < count; i++) {
    const { prompt, answer } = exampleAt("train", 1, i);
    yield prompt;
    yield answer;
  }
}
