// Written by `npm run index` from the files of scheduling/.
import type { Index } from "../core/slot.ts";
import type { Scheduling } from "./scheduling.ts";

export const schedulingIndex: Index<Scheduling> = {
  fifo: () => import("./scheduling/fifo.ts"),
  "las-2d": () => import("./scheduling/las-2d.ts"),
  srsf: () => import("./scheduling/srsf.ts"),
};
