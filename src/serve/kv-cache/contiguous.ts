/**
 * One contiguous run of blocks for each sequence, as long as it may ever become: what Orca and FasterTransformer did. It
 * never runs out in mid-answer, and most of what it holds is never written.
 */
import { assert } from "../../core/errors.ts";
import { blocksFor, type CacheView, kvCache, type RequestNeed } from "../kv-cache.ts";

export default kvCache({
  title: "Contiguous reservation",
  rows: [],
  idea: "Reserve prompt plus the most tokens that may be produced, as the first free run of blocks that is long enough.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    const run = (need: RequestNeed, blockSize: number) => blocksFor(need.promptTokens + need.tokensMax, blockSize);
    return {
      sharesPrefixes: false,
      blocksMax: (need, blockSize) => need.choices * run(need, blockSize),
      admit(view, need) {
        const tables: number[][] = [];
        let from = 0;
        for (let choice = 0; choice < need.choices; choice++) {
          const start = firstFit(view, run(need, view.blockSize), from);
          if (start === undefined) return undefined;
          from = start + run(need, view.blockSize);
          tables.push(Array.from({ length: from - start }, (_, i) => start + i));
        }
        return { tables, sharedBlocks: 0 };
      },
      grow(view, { table, until }) {
        assert(blocksFor(until, view.blockSize) <= table.length, () => `${until} positions outgrew a reservation`);
        return { take: [], copies: [] };
      },
      fork(view, { table, computed, siblings }) {
        const filled = table.slice(0, blocksFor(computed, view.blockSize));
        return siblings.map((own) => ({ share: [], copies: filled.map((from, i) => ({ from, to: own[i]! })) }));
      },
      restore: () => undefined,
      preempt: (_view, _running, needy) => ({ request: needy, how: "recompute" }),
    };
  },
});

/** The first run of `length` free blocks that begins at `from` or later. */
function firstFit({ references }: CacheView, length: number, from: number): number | undefined {
  let free = 0;
  for (let block = from; block < references.length; block++) {
    free = references[block] === 0 ? free + 1 : 0;
    if (free === length) return block - length + 1;
  }
  return undefined;
}
