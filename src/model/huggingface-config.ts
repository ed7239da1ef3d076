/**
 * config.json as hyperparameters. Multimodal models keep the language model's part under `text_config`; rope was
 * described by `rope_theta` and `rope_scaling`, and is by `rope_parameters` since Transformers 5, there one a kind of layer.
 */
import { UserError } from "../core/errors.ts";
import {
  type Hyperparameters,
  layersMax,
  optionalNumber,
  positiveInteger,
  type RopeScaling,
  requiredNumber,
} from "./config.ts";

type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `config` is config.json's content, `path` where it was read, `vocabulary` the embedding's number of rows. */
export function huggingfaceConfig(
  config: Json,
  architecture: string,
  path: string,
  vocabulary: number,
  hasOutput: boolean,
): Hyperparameters {
  const c = isObject(config.text_config) ? { ...config, ...config.text_config } : config;
  const integer = (key: string): number => positiveInteger(path, key, c[key]);
  const optionalInteger = (key: string): number | undefined => (c[key] == null ? undefined : integer(key));
  if (optionalNumber(path, "final_logit_softcapping", c.final_logit_softcapping) !== undefined) {
    throw new UserError(`Reading ${path}: it caps its logits, which is not supported.`, "Take another model.");
  }
  const rope = ropeOf(c, path);
  const layers = positiveInteger(path, "num_hidden_layers", c.num_hidden_layers, layersMax);
  return {
    path,
    architecture,
    layers,
    width: integer("hidden_size"),
    heads: integer("num_attention_heads"),
    kvHeads: optionalInteger("num_key_value_heads"),
    headWidth: optionalInteger("head_dim"),
    feedForward: integer("intermediate_size"),
    vocabulary,
    context: integer("max_position_embeddings"),
    normEpsilon: optionalNumber(path, "rms_norm_eps", c.rms_norm_eps),
    ropeBase: rope.base,
    ropeScaling: rope.scaling,
    ropeBaseLocal: rope.baseLocal,
    window: optionalNumber(path, "sliding_window", c.sliding_window),
    windowed: windowedLayers(c, layers),
    queryScalar: optionalNumber(path, "query_pre_attn_scalar", c.query_pre_attn_scalar),
    // The files decide where config.json leaves the key out, since its default differs by architecture.
    tied: typeof c.tie_word_embeddings === "boolean" ? c.tie_word_embeddings : !hasOutput,
  };
}

function windowedLayers(c: Json, layers: number): boolean[] | undefined {
  if (c.use_sliding_window === false) return undefined;
  if (Array.isArray(c.layer_types)) return c.layer_types.map((type) => type === "sliding_attention");
  const length = layers;
  if (c.use_sliding_window === true && typeof c.max_window_layers === "number") {
    const first = c.max_window_layers;
    return Array.from({ length }, (_, layer) => layer >= first);
  }
  const pattern = c.sliding_window_pattern;
  return typeof pattern === "number" ? Array.from({ length }, (_, layer) => (layer + 1) % pattern !== 0) : undefined;
}

interface RopeGiven {
  readonly base: number | undefined;
  readonly baseLocal: number | undefined;
  readonly scaling: RopeScaling | undefined;
}

function ropeOf(c: Json, path: string): RopeGiven {
  if ((c.partial_rotary_factor ?? 1) !== 1) {
    throw new UserError(`Reading ${path}: rope turns a part of each head only, which is not supported.`);
  }
  const parameters = isObject(c.rope_parameters) ? c.rope_parameters : undefined;
  const global = isObject(parameters?.full_attention) ? parameters.full_attention : parameters;
  const local = isObject(parameters?.sliding_attention) ? parameters.sliding_attention : undefined;
  const scaling = global ?? (isObject(c.rope_scaling) ? c.rope_scaling : undefined);
  return {
    base: optionalNumber(path, "rope_theta", global?.rope_theta ?? c.rope_theta),
    baseLocal: optionalNumber(path, "rope_local_base_freq", local?.rope_theta ?? c.rope_local_base_freq),
    scaling: scaling === undefined ? undefined : scalingOf(scaling, c, path),
  };
}

function scalingOf(given: Json, c: Json, path: string): RopeScaling | undefined {
  const kind = given.rope_type ?? given.type ?? "default";
  const number = (key: string): number => requiredNumber(path, `rope scaling's ${key}`, given[key]);
  const optional = (key: string): number | undefined => optionalNumber(path, `rope scaling's ${key}`, given[key]);
  const original = (): number =>
    optional("original_max_position_embeddings") ??
    positiveInteger(path, "max_position_embeddings", c.max_position_embeddings);
  switch (kind) {
    case "default":
      return undefined;
    case "linear":
      return { kind: "linear", factor: number("factor") };
    case "llama3":
      return {
        kind: "llama3",
        factor: number("factor"),
        lowFrequencyFactor: number("low_freq_factor"),
        highFrequencyFactor: number("high_freq_factor"),
        originalContext: original(),
      };
    case "yarn":
      return {
        kind: "yarn",
        factor: number("factor"),
        originalContext: original(),
        betaFast: optional("beta_fast") ?? 32,
        betaSlow: optional("beta_slow") ?? 1,
        magnitude: optional("attention_factor"),
      };
    default:
      throw new UserError(
        `Reading ${path}: rope scaling ${JSON.stringify(kind)} is not supported.`,
        "Heddle knows linear, llama3 and yarn: take another model.",
      );
  }
}
