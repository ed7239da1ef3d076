// Written by `npm run index` from the files of sharing/.
import type { Index } from "../core/slot.ts";
import type { Sharing } from "./sharing.ts";

export const sharingIndex: Index<Sharing> = {
  "as-decided": () => import("./sharing/as-decided.ts"),
  exclusive: () => import("./sharing/exclusive.ts"),
  muri: () => import("./sharing/muri.ts"),
  packing: () => import("./sharing/packing.ts"),
};
