// Written by `npm run index` from the files of scaling/.
import type { Index } from "../core/slot.ts";
import type { Scaling } from "./scaling.ts";

export const scalingIndex: Index<Scaling> = {
  requested: () => import("./scaling/requested.ts"),
};
