// Written by `npm run index` from the files of kv-cache/.
import type { Index } from "../core/slot.ts";
import type { KvCache } from "./kv-cache.ts";

export const kvCacheIndex: Index<KvCache> = {
  contiguous: () => import("./kv-cache/contiguous.ts"),
  pagedattention: () => import("./kv-cache/pagedattention.ts"),
};
