// Written by `npm run index` from the files of speculation/.
import type { Index } from "../core/slot.ts";
import type { Speculation } from "./speculation.ts";

export const speculationIndex: Index<Speculation> = {
  none: () => import("./speculation/none.ts"),
  "speculative-decoding": () => import("./speculation/speculative-decoding.ts"),
};
