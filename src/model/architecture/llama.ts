/** Llama 1 to 3.x: pre-norm blocks, grouped queries since 2, a larger rope base since 3 and its own scaling since 3.1. */
import type { Architecture } from "../architecture.ts";
import { decoder, preNormBlock, uniformConfig } from "../decoder.ts";

const llama: Architecture = {
  title: "Llama",
  url: "https://arxiv.org/abs/2302.13971",
  modelTypes: ["llama"],
  ggufPermutes: true,
  normOffset: 0,
  names: {},
  configure: uniformConfig,
  build: (config, present) => decoder(config, present, preNormBlock),
};

export default llama;
