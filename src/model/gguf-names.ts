/** GGUF's names of tensors as canonical ones. */
import { assert } from "../core/errors.ts";

const top: Readonly<Record<string, string>> = {
  "token_embd.weight": "embedding",
  "output_norm.weight": "norm",
  "output.weight": "output",
};

const inLayer: Readonly<Record<string, string>> = {
  "attn_norm.weight": "attention.norm",
  "attn_q.weight": "attention.q",
  "attn_k.weight": "attention.k",
  "attn_v.weight": "attention.v",
  "attn_output.weight": "attention.o",
  "attn_q.bias": "attention.q.bias",
  "attn_k.bias": "attention.k.bias",
  "attn_v.bias": "attention.v.bias",
  "attn_output.bias": "attention.o.bias",
  "attn_q_norm.weight": "attention.q.norm",
  "attn_k_norm.weight": "attention.k.norm",
  "post_attention_norm.weight": "attention.postNorm",
  "ffn_norm.weight": "feedForward.norm",
  "ffn_gate.weight": "feedForward.gate",
  "ffn_up.weight": "feedForward.up",
  "ffn_down.weight": "feedForward.down",
  "ffn_gate.bias": "feedForward.gate.bias",
  "ffn_up.bias": "feedForward.up.bias",
  "ffn_down.bias": "feedForward.down.bias",
  "post_ffw_norm.weight": "feedForward.postNorm",
};

/** Evaluated rope scaling: part of the configuration, not a weight. */
export const ropeFactors = "rope_freqs.weight";

/** `undefined` for a tensor that no architecture here uses. */
export function canonicalFromGguf(name: string): string | undefined {
  const layer = /^blk\.(\d+)\.(.*)$/.exec(name);
  if (layer === null) return Object.hasOwn(top, name) ? top[name] : undefined;
  const [, index, rest] = layer;
  return Object.hasOwn(inLayer, rest!) ? `layer.${index}.${inLayer[rest!]}` : undefined;
}

/** The way back; `name` is canonical. */
export function ggufFromCanonical(name: string): string {
  const [, index, rest] = /^layer\.(\d+)\.(.*)$/.exec(name) ?? [];
  const [table, key] = index === undefined ? [top, name] : [inLayer, rest];
  const found = Object.entries(table).find(([, canonical]) => canonical === key);
  assert(found !== undefined, () => `GGUF has no name for ${name}`);
  return index === undefined ? found[0] : `blk.${index}.${found[0]}`;
}
