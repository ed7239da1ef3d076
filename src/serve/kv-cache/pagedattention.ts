/**
 * Blocks on demand, as an operating system pages memory: a sequence holds what it has written, its last block apart. Choices
 * of one request share the prompt's blocks until they write (copy-on-write), requests share prompts that begin alike, and
 * when blocks run out the youngest request gives all of its own back.
 */
import { blocksFor, type CacheView, type Copy, kvCache, type RequestNeed } from "../kv-cache.ts";

export default kvCache({
  title: "PagedAttention",
  paper: {
    title: "Efficient Memory Management for Large Language Model Serving with PagedAttention",
    venue: "SOSP 2023",
    url: "https://arxiv.org/abs/2309.06180",
  },
  rows: ["pagedattention"],
  idea: "Keep the cache in small blocks reached through block tables, taken as sequences grow and counted by reference, so that only the last block of a sequence is partly unused and equal prefixes are stored once.",
  differs: [
    "Prefixes are found by chained hashes of whole prompt blocks, kept after their request ends until the least recently used is needed; the paper shares prefixes that the operator declares (§4.4). Blocks of output are not published.",
    "There is no beam search.",
  ],
  options: {
    swap: { default: 0, unit: "flag", min: 0, help: "1 preempts by swapping to the second arena while it has room." },
    sharePrefixes: { default: 1, unit: "flag", min: 0, help: "1 finds equal prefixes of prompts in the cache." },
    watermark: { default: 0.01, unit: "share", min: 0, help: "Share of the blocks that admission leaves free." },
  },
  claim: {
    metric: "tokensPerPass",
    better: "higher",
    than: "contiguous",
    on: "memory-bound",
    factor: 2,
    where: "machine",
  },

  create({ swap, sharePrefixes, watermark }) {
    const spare = (view: CacheView) => Math.ceil(watermark * view.references.length);
    const roomy = (view: CacheView, wanted: number, alone: boolean) =>
      view.empty.size + view.cached.size >= wanted + (alone ? 0 : spare(view));
    return {
      sharesPrefixes: sharePrefixes > 0,
      blocksMax(need, blockSize) {
        const shared = Math.floor(need.promptTokens / blockSize);
        return shared + need.choices * (blocksFor(need.promptTokens + need.tokensMax, blockSize) - shared);
      },
      admit(view, need, alone) {
        const shared = sharePrefixes > 0 ? prefix(view, need) : [];
        const fresh = blocksFor(need.length, view.blockSize) - shared.length;
        const revived = shared.filter((block) => view.references[block] === 0).length;
        if (!roomy(view, fresh + revived, alone)) return undefined;
        const tables = Array.from({ length: need.choices }, (_, choice) => (choice === 0 ? shared : []));
        return { tables, sharedBlocks: shared.length };
      },
      grow(view, { table, computed, until }) {
        const { blockSize, references } = view;
        const shared: number[] = [];
        for (let i = Math.floor(computed / blockSize); i < Math.min(table.length, blocksFor(until, blockSize)); i++) {
          if (references[table[i]!]! > 1) shared.push(i);
        }
        const more = Math.max(0, blocksFor(until, blockSize) - table.length);
        const free = takeFree(view, shared.length + more);
        if (free === undefined) return undefined;
        const copies = shared.map((index, i): Copy => ({ index, to: free[i]! }));
        return { take: free.slice(shared.length), copies };
      },
      fork: (_view, { table, siblings }) => siblings.map(() => ({ share: table, copies: [] })),
      restore: (view, blocks, alone) => (roomy(view, blocks, alone) ? takeFree(view, blocks) : undefined),
      // §4.5: all blocks of the request that arrived last, or none.
      preempt(view, running, needy) {
        const victim = running.at(-1) ?? { id: needy, blocks: 0 };
        return { request: victim.id, how: swap > 0 && victim.blocks <= view.slotsFree ? "swap" : "recompute" };
      },
    };
  },
});

/** The first `count` free blocks: what holds nothing before what might be found again. */
function takeFree(view: CacheView, count: number): number[] | undefined {
  if (view.empty.size + view.cached.size < count) return undefined;
  const taken: number[] = [];
  for (const block of view.empty) {
    if (taken.length === count) return taken;
    taken.push(block);
  }
  for (const block of view.cached.keys()) {
    if (taken.length === count) return taken;
    taken.push(block);
  }
  return taken;
}

/** Published blocks with which the prompt begins. Its last token is always computed, since its logits are wanted. */
function prefix(view: CacheView, need: RequestNeed): number[] {
  const blocks: number[] = [];
  const most = Math.floor((need.promptTokens - 1) / view.blockSize);
  for (const hash of need.hashes.slice(0, most)) {
    const block = view.published.get(hash);
    if (block === undefined) break;
    blocks.push(block);
  }
  return blocks;
}
