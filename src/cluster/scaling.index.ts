// Written by `npm run index` from the files of scaling/.
import type { Index } from "../core/slot.ts";
import type { Scaling } from "./scaling.ts";

export const scalingIndex: Index<Scaling> = {
  afs: () => import("./scaling/afs.ts"),
  "earliest-deadline": () => import("./scaling/earliest-deadline.ts"),
  elasticflow: () => import("./scaling/elasticflow.ts"),
  "grow-shrink": () => import("./scaling/grow-shrink.ts"),
  optimus: () => import("./scaling/optimus.ts"),
  pollux: () => import("./scaling/pollux.ts"),
  requested: () => import("./scaling/requested.ts"),
};
