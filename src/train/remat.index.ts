// Written by `npm run index` from the files of remat/.
import type { Index } from "../core/slot.ts";
import type { Remat } from "./remat.ts";

export const rematIndex: Index<Remat> = {
  none: () => import("./remat/none.ts"),
  "sqrt-n": () => import("./remat/sqrt-n.ts"),
  superneurons: () => import("./remat/superneurons.ts"),
};
