/** The fields that chat and legacy completions share, their ranges as OpenAI (and for its own fields, vLLM) gives them. */
import { z } from "zod";

/** `null` means "the default" in OpenAI's API; it is read as absent. */
export function optional<T extends z.ZodType>(type: T) {
  return type.nullish().transform((value) => value ?? undefined);
}

const bounded = (least: number, most: number) => optional(z.number().min(least).max(most));

/** At most `most` items, which is checked before any of them is looked at: an error report is as long as its input. */
export function list<T extends z.ZodType>(item: T, most: number, least = 0) {
  return z.array(z.unknown()).min(least).max(most).pipe(z.array(item));
}

const logitBias = z
  .record(z.string(), z.unknown())
  .refine((map) => Object.keys(map).length <= 1024, "at most 1024 tokens can be biased")
  .pipe(z.record(z.string().regex(/^\d{1,9}$/, "keys must be token ids"), z.number().min(-100).max(100)));

export const streamOptions = z.strictObject({
  include_usage: optional(z.boolean()),
  include_obfuscation: optional(z.literal(false, "padding against eavesdroppers is not supported; leave it out")),
});

/** Every token's text is held against every stop string, so their length is bounded. */
const stopString = z.string().min(1).max(1024);

export const sharedFields = {
  model: z.string(),
  stream: optional(z.boolean()),
  stream_options: optional(streamOptions),
  temperature: bounded(0, 2),
  top_p: bounded(0, 1),
  top_k: optional(z.int().min(-1)),
  min_p: bounded(0, 1),
  seed: optional(z.int()),
  stop: optional(z.union([stopString, list(stopString, 16)], "it must be a string, or a list of at most 16")),
  presence_penalty: bounded(-2, 2),
  frequency_penalty: bounded(-2, 2),
  repetition_penalty: optional(z.number().positive().max(100)),
  logit_bias: optional(logitBias),
  n: optional(z.int().min(1).max(128)),
  ignore_eos: optional(z.boolean()),
  user: optional(z.string()),
};

const shared = z.strictObject(sharedFields);
export type SharedFields = z.infer<typeof shared>;
