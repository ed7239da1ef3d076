/** A recipe: what to train, on what, how long. Read from JSON, checked field by field, with defaults filled in. */
import { z } from "zod";
import { nearest, UserError } from "../core/errors.ts";
import { loaders } from "../data/loader.ts";
import { writableTypes } from "../model/encode-weights.ts";

const whole = z.int().positive();
const share = z.number().min(0).max(1);
const files = z.union([z.string().transform((path) => [path]), z.array(z.string()).nonempty()]);

const data = z
  .strictObject({
    /** Files of text in UTF-8; each is one document. Paths are relative to the recipe. */
    text: files.optional(),
    /** Files with one conversation a line: `{"messages": [{"role": …, "content": …}, …]}`. Answers alone are learnt. */
    chat: files.optional(),
    /** Share of the tokens, at the end, that are not trained on. */
    heldOut: z.number().min(0).max(0.5).default(0.05),
    loader: z.string().default("tf-data"),
  })
  .refine((d) => d.text !== undefined || d.chat !== undefined, { message: "it needs text or chat" });

const tokenizer = z.strictObject({
  /** Tokens, control tokens included. */
  vocabulary: z.int().min(260).max(200_000).default(2048),
  /** How text is cut into words, by llama.cpp's name. */
  pre: z.string().default("gpt-2"),
});

const model = z
  .strictObject({
    layers: whole.default(4),
    width: whole.default(128),
    heads: whole.default(4),
    kvHeads: whole.optional(),
    feedForward: whole.optional(),
    context: whole.default(128),
    normEpsilon: z.number().positive().default(1e-5),
    ropeBase: z.number().positive().default(10000),
    tied: z.boolean().default(true),
  })
  .refine((m) => m.width % m.heads === 0 && (m.width / m.heads) % 16 === 0, {
    message: "width / heads must be a multiple of 16",
  })
  .refine((m) => m.heads % (m.kvHeads ?? m.heads) === 0, { message: "heads must be a multiple of kvHeads" });

const training = z.strictObject({
  steps: whole.default(1000),
  /** Sequences of a batch, and batches of a step. */
  batch: whole.default(8),
  accumulate: whole.default(1),
  learningRate: z.number().positive().default(1e-3),
  learningRateLast: z.number().nonnegative().optional(),
  schedule: z.enum(["constant", "linear", "cosine"]).default("cosine"),
  warmup: z.int().nonnegative().default(50),
  beta1: share.default(0.9),
  beta2: share.default(0.95),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().nonnegative().default(0.1),
  /** The greatest norm of the gradient; 0 clips nothing. */
  clip: z.number().nonnegative().default(1),
  bf16: z.boolean().default(false),
  seed: z.int().nonnegative().default(1),
});

const schema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, { message: "it may have letters, digits, and the characters . _ -" }),
  data,
  tokenizer: tokenizer.prefault({}),
  model: model.prefault({}),
  training: training.prefault({}),
  checkpoints: z.strictObject({ every: whole.default(200), keep: whole.default(3) }).prefault({}),
  evaluate: z.strictObject({ every: whole.default(200), batches: whole.default(8) }).prefault({}),
  output: z.strictObject({ type: z.enum(writableTypes).default("F16") }).prefault({}),
});

export type Recipe = z.infer<typeof schema>;

/** Throws a `UserError` that names `path`, the field and what is wrong with it. */
export function parseRecipe(path: string, text: string): Recipe {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new UserError(`Reading the recipe ${path}: it is not JSON (${(error as Error).message}).`);
  }
  const { data: recipe, error } = schema.safeParse(given);
  if (recipe === undefined) throw wrong(path, error.issues[0]!);
  const ids = loaders.ids();
  if (!ids.includes(recipe.data.loader)) {
    throw new UserError(
      `Reading the recipe ${path}: data.loader is "${recipe.data.loader}".`,
      `Loaders are ${ids.join(", ")}.`,
    );
  }
  return recipe;
}

function wrong(path: string, issue: z.core.$ZodIssue): UserError {
  const at = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    const field = issue.keys[0]!;
    const known = fieldsAt(issue.path);
    const guess = nearest(field, known);
    const where = at === "" ? "" : `${at}.`;
    return new UserError(
      `Reading the recipe ${path}: there is no field ${where}${field}.`,
      guess === undefined ? `Fields there: ${known.join(", ")}.` : `Did you mean ${guess}?`,
    );
  }
  return new UserError(`Reading the recipe ${path}: ${at === "" ? "it" : at}: ${issue.message}.`, "Change it there.");
}

function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  const parts = { data, tokenizer, model, training };
  const [part] = path;
  const found = Object.hasOwn(parts, part ?? "") ? parts[part as keyof typeof parts] : schema;
  return Object.keys(found.shape);
}
