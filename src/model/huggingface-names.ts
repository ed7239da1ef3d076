/** Hugging Face's names of tensors as canonical ones. */
import { assert } from "../core/errors.ts";

const top: Readonly<Record<string, string>> = {
  "embed_tokens.weight": "embedding",
  "norm.weight": "norm",
  "lm_head.weight": "output",
};

const modules: Readonly<Record<string, string>> = {
  input_layernorm: "attention.norm",
  "self_attn.q_proj": "attention.q",
  "self_attn.k_proj": "attention.k",
  "self_attn.v_proj": "attention.v",
  "self_attn.o_proj": "attention.o",
  "self_attn.q_norm": "attention.q.norm",
  "self_attn.k_norm": "attention.k.norm",
  post_attention_layernorm: "feedForward.norm",
  pre_feedforward_layernorm: "feedForward.norm",
  post_feedforward_layernorm: "feedForward.postNorm",
  "mlp.gate_proj": "feedForward.gate",
  "mlp.up_proj": "feedForward.up",
  "mlp.down_proj": "feedForward.down",
};

/** What is stored but not part of the language model: rope tables of old files, the eyes of multimodal ones. */
const ignored = /(rotary_emb\.inv_freq$)|(^(model\.)?(vision_tower|multi_modal_projector)\.)/;

/**
 * `overrides` are an architecture's own meanings of modules in a layer. `"ignored"` for a tensor that is no weight of the
 * language model, `undefined` for one that is not known.
 */
export function canonicalFromHuggingface(
  name: string,
  overrides: Readonly<Record<string, string>>,
): string | "ignored" | undefined {
  if (ignored.test(name)) return "ignored";
  const own = name.replace(/^(model\.language_model\.|language_model\.model\.|language_model\.|model\.)/, "");
  const layer = /^layers\.(\d+)\.(.*)\.(weight|bias)$/.exec(own);
  if (layer === null) return Object.hasOwn(top, own) ? top[own] : undefined;
  const [, index, module, kind] = layer;
  const names = Object.hasOwn(overrides, module!) ? overrides : modules;
  if (!Object.hasOwn(names, module!)) return undefined;
  return `layer.${index}.${names[module!]}${kind === "bias" ? ".bias" : ""}`;
}

/** The module of a layer whose weight has this canonical name within the layer. */
export function huggingfaceModule(part: string, overrides: Readonly<Record<string, string>>): string {
  const found = Object.entries({ ...modules, ...overrides }).find(([, canonical]) => canonical === part);
  assert(found !== undefined, () => `${part} is no module of a layer`);
  return found[0];
}
