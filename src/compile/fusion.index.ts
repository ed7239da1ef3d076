// Written by `npm run index` from the files of fusion/.
import type { Index } from "../core/slot.ts";
import type { Fusion } from "./fusion.ts";

export const fusionIndex: Index<Fusion> = {
  astitch: () => import("./fusion/astitch.ts"),
  "chimera-fusion": () => import("./fusion/chimera-fusion.ts"),
  none: () => import("./fusion/none.ts"),
  tvm: () => import("./fusion/tvm.ts"),
  welder: () => import("./fusion/welder.ts"),
};
