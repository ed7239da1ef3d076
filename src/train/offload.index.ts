// Written by `npm run index` from the files of offload/.
import type { Index } from "../core/slot.ts";
import type { Offload } from "./offload.ts";

export const offloadIndex: Index<Offload> = {
  capuchin: () => import("./offload/capuchin.ts"),
  gist: () => import("./offload/gist.ts"),
  "on-demand": () => import("./offload/on-demand.ts"),
  superneurons: () => import("./offload/superneurons.ts"),
  swapadvisor: () => import("./offload/swapadvisor.ts"),
  vdnn: () => import("./offload/vdnn.ts"),
};
