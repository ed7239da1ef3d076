// Written by `npm run index` from the files of capture/.
import type { Index } from "../core/slot.ts";
import type { Capture } from "./capture.ts";

export const captureIndex: Index<Capture> = {
  "dynamic-control-flow": () => import("./capture/dynamic-control-flow.ts"),
  jax: () => import("./capture/jax.ts"),
  pytorch: () => import("./capture/pytorch.ts"),
  tangent: () => import("./capture/tangent.ts"),
  tensorflow: () => import("./capture/tensorflow.ts"),
};
