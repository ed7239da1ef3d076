/** The bodies of `POST /v1/completions` and `POST /v1/embeddings`. */
import { z } from "zod";
import { optional, sharedFields } from "./fields.ts";

/** Text, texts, token ids or lists of token ids: told apart and checked by `promptList`, item by item. */
const prompts = z.union([z.string(), z.array(z.unknown())], "it must be text, texts, token ids or lists of them");

export const completionsFields = z.strictObject({
  ...sharedFields,
  prompt: prompts,
  max_tokens: optional(z.int().min(1)),
  logprobs: optional(z.int().min(0).max(5)),
  echo: optional(z.literal(false, "echo is not supported; leave it out")),
});

export type CompletionsFields = z.infer<typeof completionsFields>;

export const embeddingsFields = z.strictObject({
  model: z.string(),
  input: prompts,
  encoding_format: optional(z.enum(["float", "base64"])),
  user: optional(z.string()),
});
