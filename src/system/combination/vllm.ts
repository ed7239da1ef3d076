/** vLLM as its paper has it: iteration-level batches, first come first served, over paged memory. */
import type { Combination } from "../combination.ts";

export default {
  title: "vLLM",
  paper: {
    title: "Efficient Memory Management for Large Language Model Serving with PagedAttention",
    venue: "SOSP 2023",
    url: "https://arxiv.org/abs/2309.06180",
  },
  slots: { "serve/batching": "orca", "serve/kv-cache": "pagedattention", "serve/speculation": "none" },
} satisfies Combination;
