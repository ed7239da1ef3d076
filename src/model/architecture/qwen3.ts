/** Qwen3: no biases; queries and keys are normed head by head before rope. */
import { UserError } from "../../core/errors.ts";
import type { Architecture } from "../architecture.ts";
import { decoder, preNormBlock, uniformConfig } from "../decoder.ts";

const qwen3: Architecture = {
  title: "Qwen3",
  url: "https://arxiv.org/abs/2505.09388",
  modelTypes: ["qwen3"],
  ggufPermutes: false,
  normOffset: 0,
  names: {},
  configure(given) {
    const windows = given.windowed?.map((windowed) => (windowed ? given.window : undefined));
    const config = uniformConfig({ ...given, headWidth: given.headWidth ?? 128 });
    return { ...config, windows: windows ?? config.windows };
  },
  build(config, present) {
    if (config.layers > 0 && !present("layer.0.attention.q.norm")) {
      throw new UserError("Building qwen3: the file has no norms of queries.", "It is of another kind: try qwen2.");
    }
    return decoder(config, present, preNormBlock);
  },
};

export default qwen3;
