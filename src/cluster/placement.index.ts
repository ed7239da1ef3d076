// Written by `npm run index` from the files of placement/.
import type { Index } from "../core/slot.ts";
import type { Placement } from "./placement.ts";

export const placementIndex: Index<Placement> = {
  "first-fit": () => import("./placement/first-fit.ts"),
};
