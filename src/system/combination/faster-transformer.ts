/** FasterTransformer, the baseline of Orca's and vLLM's papers: whole batches, the longest answer reserved. */
import type { Combination } from "../combination.ts";

export default {
  title: "FasterTransformer",
  slots: { "serve/batching": "static", "serve/kv-cache": "contiguous", "serve/speculation": "none" },
} satisfies Combination;
