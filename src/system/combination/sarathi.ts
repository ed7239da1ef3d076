/** Sarathi-Serve: chunked prefill beside decodes, over paged memory. */
import type { Combination } from "../combination.ts";

export default {
  title: "Sarathi-Serve",
  paper: {
    title: "Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve",
    venue: "OSDI 2024",
    url: "https://arxiv.org/abs/2403.02310",
  },
  slots: { "serve/batching": "chunked-prefill", "serve/kv-cache": "pagedattention", "serve/speculation": "none" },
} satisfies Combination;
