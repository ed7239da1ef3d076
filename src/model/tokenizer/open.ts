/** Opens a tokenizer from what a file of weights brings with it. */
export { tokenizerFromGguf } from "./from-gguf.ts";
export { tokenizerFromJson } from "./from-json.ts";
