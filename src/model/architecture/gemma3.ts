/**
 * Gemma 3: norms before and after each part, five layers with a sliding window for each one that sees everything.
 *
 * GGUF leaves out the pattern, the local rope base and the embedding scale; they are the report's (section 2).
 */
import type { Architecture } from "../architecture.ts";
import { attention, decoder, feedForward, uniformConfig } from "../decoder.ts";
import { makeRope } from "../rope.ts";

const pattern = 6;
const localRopeBase = 10_000;
const globalRopeBase = 1_000_000;
const headWidthDefault = 256;
const windowDefault = 4096;
/** The 27B model, alone, divides scores by the root of width / heads; GGUF tells it by its layers only. */
const largestLayers = 62;

const gemma3: Architecture = {
  title: "Gemma 3",
  url: "https://arxiv.org/abs/2503.19786",
  modelTypes: ["gemma3_text", "gemma3"],
  ggufPermutes: false,
  normOffset: 1,
  // Here `post_attention_layernorm` is what it says, not the norm before the feed-forward as in llama.
  names: { post_attention_layernorm: "attention.postNorm" },
  configure(given) {
    const headWidth = given.headWidth ?? headWidthDefault;
    const largest = given.layers === largestLayers ? given.width / given.heads : headWidth;
    const queryScalar = given.queryScalar ?? largest;
    const config = uniformConfig({ ...given, headWidth, queryScalar, ropeBase: given.ropeBase ?? globalRopeBase });
    const local = makeRope(headWidth, given.ropeBaseLocal ?? localRopeBase);
    const windowed = config.ropes.map((_, layer) => given.windowed?.[layer] ?? (layer + 1) % pattern !== 0);
    return {
      ...config,
      ropes: config.ropes.map((rope, layer) => (windowed[layer] ? local : rope)),
      windows: windowed.map((is) => (is ? (given.window ?? windowDefault) : undefined)),
      embeddingScale: Math.sqrt(given.width),
    };
  },
  build: (config, present) =>
    decoder(config, present, (model, x, layer) => {
      const name = `layer.${layer}`;
      const attended = attention(model, model.norm(x, `${name}.attention.norm`), layer);
      const middle = model.graph.add(x, model.norm(attended, `${name}.attention.postNorm`));
      const fed = feedForward(model, model.norm(middle, `${name}.feedForward.norm`), layer, "gelu");
      return model.graph.add(middle, model.norm(fed, `${name}.feedForward.postNorm`));
    }),
};

export default gemma3;
