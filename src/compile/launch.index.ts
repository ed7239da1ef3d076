// Written by `npm run index` from the files of launch/.
import type { Index } from "../core/slot.ts";
import type { Launch } from "./launch.ts";

export const launchIndex: Index<Launch> = {
  "conflict-barrier": () => import("./launch/conflict-barrier.ts"),
  nimble: () => import("./launch/nimble.ts"),
  "per-op": () => import("./launch/per-op.ts"),
  rammer: () => import("./launch/rammer.ts"),
};
