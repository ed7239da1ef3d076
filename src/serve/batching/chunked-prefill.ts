/** Stall-free batching: a long prompt is computed in chunks beside the decodes, never instead of them. */
import { batching, type Grant } from "../batching.ts";

export default batching({
  title: "Chunked prefill (Sarathi-Serve)",
  paper: {
    title: "Taming Throughput-Latency Tradeoff in LLM Inference with Sarathi-Serve",
    venue: "OSDI 2024",
    url: "https://arxiv.org/abs/2403.02310",
  },
  rows: [],
  idea: "Give every decode its token first, then spend what is left of a fixed token budget on chunks of prefill, so that no prompt stalls a decode.",
  differs: [
    "The budget is an option, not profiled from a latency target (paper: §4.3).",
    "Drafts of speculation come on top of the budget.",
  ],
  options: {
    tokenBudget: { default: 128, unit: "tokens", min: 1, help: "Tokens in one pass." },
    batchMax: { default: 32, unit: "sequences", min: 1, help: "Sequences in one pass." },
  },
  claim: { metric: "gapTokensMax", better: "lower", than: "orca", on: "long-prompt", factor: 3, where: "machine" },

  create({ tokenBudget, batchMax }) {
    return {
      next({ running, waiting, limits }) {
        const grants: Grant[] = [];
        let tokens = Math.min(tokenBudget, limits.tokens);
        let sequences = Math.min(batchMax, limits.sequences);
        // Alg. 3 of the paper: decodes, then prefills already begun, then new requests.
        const order = [...running.filter((r) => r.decoding), ...running.filter((r) => !r.decoding), ...waiting];
        for (const request of order) {
          if (request.sequences > sequences && grants.length > 0) break;
          const given = Math.min(request.work, tokens);
          grants.push({ request: request.id, tokens: given });
          tokens -= given;
          sequences -= Math.min(sequences, request.sequences);
          if (tokens === 0 || sequences === 0) break;
        }
        return grants;
      },
    };
  },
});
