// Written by `npm run index` from the files of tuner/.
import type { Index } from "../core/slot.ts";
import type { Tuner } from "./tuner.ts";

export const tunerIndex: Index<Tuner> = {
  analytical: () => import("./tuner/analytical.ts"),
  ansor: () => import("./tuner/ansor.ts"),
  dietcode: () => import("./tuner/dietcode.ts"),
  random: () => import("./tuner/random.ts"),
  roller: () => import("./tuner/roller.ts"),
  tvm: () => import("./tuner/tvm.ts"),
};
