// Written by `npm run index` from the files of placement/.
import type { Index } from "../core/slot.ts";
import type { Placement } from "./placement.ts";

export const placementIndex: Index<Placement> = {
  affinity: () => import("./placement/affinity.ts"),
  buddy: () => import("./placement/buddy.ts"),
  consolidated: () => import("./placement/consolidated.ts"),
  "first-fit": () => import("./placement/first-fit.ts"),
  hived: () => import("./placement/hived.ts"),
  "least-allocated": () => import("./placement/least-allocated.ts"),
  "skew-aware": () => import("./placement/skew-aware.ts"),
};
