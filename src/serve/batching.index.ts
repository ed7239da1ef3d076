// Written by `npm run index` from the files of batching/.
import type { Index } from "../core/slot.ts";
import type { Batching } from "./batching.ts";

export const batchingIndex: Index<Batching> = {
  "chunked-prefill": () => import("./batching/chunked-prefill.ts"),
  orca: () => import("./batching/orca.ts"),
  static: () => import("./batching/static.ts"),
};
