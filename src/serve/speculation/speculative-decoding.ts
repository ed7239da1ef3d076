/**
 * Guess γ tokens cheaply, verify them in one pass of the target model: since a decode is bound by reading the weights, the
 * pass costs little more than one token's, and yields all that were guessed right and one more.
 *
 * The acceptance rule is in `../acceptance.ts`.
 */
import { speculation } from "../speculation.ts";

export default speculation({
  title: "Speculative decoding",
  paper: {
    title: "Fast Inference from Transformers via Speculative Decoding",
    venue: "ICML 2023",
    url: "https://arxiv.org/abs/2211.17192",
  },
  rows: ["speculative-decoding"],
  idea: "Draft γ tokens, score them all in one target pass, accept token x with probability min(1, p/q), and resample the first refusal from norm(max(0, p − q)).",
  differs: [
    "Without a draft model the drafts come from a look-up of the last tokens in the prompt and the output: q is then a point mass, and acceptance is coupled to the plain draw, so that not only the distribution but the sample stays.",
    "The resampling draws from p and keeps y with probability max(0, 1 − q(y)/p(y)), which is the paper's distribution without a pass over the vocabulary.",
    "With a draft model and a temperature above 0 the sample depends on what shares the batch, since how many guesses a sequence gets does (the pass's room is shared); its distribution does not. Greedy output, and any output with a look-up, is the same in every company.",
    "A request whose output is constrained by a grammar gets no drafts.",
    "γ is an option; it is not chosen from α and c (paper: §3.5).",
  ],
  options: {
    draftTokens: { default: 4, unit: "tokens", min: 1, help: "γ: drafts a sequence in one pass." },
    lookupLongest: { default: 3, unit: "tokens", min: 1, help: "Longest run of last tokens that a look-up matches." },
    lookupShortest: { default: 1, unit: "tokens", min: 1, help: "Shortest run of last tokens that a look-up matches." },
  },
  claim: { metric: "tokensPerSample", better: "higher", than: "none", on: "guessable", factor: 2, where: "machine" },

  create({ draftTokens, lookupLongest, lookupShortest }) {
    return {
      lookup: { longest: lookupLongest, shortest: Math.min(lookupShortest, lookupLongest) },
      drafts({ sequences, tokensLeft }) {
        let left = tokensLeft;
        return sequences.map((sequence) => {
          const drafts = Math.min(draftTokens, sequence.tokensLeft - 1, left);
          left -= drafts;
          return drafts;
        });
      },
    };
  },
});
