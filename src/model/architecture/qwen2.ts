/** Qwen2 and 2.5: llama's block with biases on queries, keys and values. */
import type { Architecture } from "../architecture.ts";
import { decoder, preNormBlock, uniformConfig } from "../decoder.ts";

const qwen2: Architecture = {
  title: "Qwen2",
  url: "https://arxiv.org/abs/2407.10671",
  modelTypes: ["qwen2"],
  ggufPermutes: false,
  normOffset: 0,
  names: {},
  // Where the file lists windowed layers (config.json's use_sliding_window), they are; GGUF never does.
  configure(given) {
    const windows = given.windowed?.map((windowed) => (windowed ? given.window : undefined));
    const config = uniformConfig(given);
    return { ...config, windows: windows ?? config.windows };
  },
  build: (config, present) => decoder(config, present, preNormBlock),
};

export default qwen2;
