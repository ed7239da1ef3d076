// Written by `npm run index` from the files of pass/.
import type { Index } from "../core/slot.ts";
import type { Pass } from "./pass.ts";

export const passIndex: Index<Pass> = {
  none: () => import("./pass/none.ts"),
  taso: () => import("./pass/taso.ts"),
};
