// Written by `npm run index` from the files of loader/.
import type { Index } from "../core/slot.ts";
import type { Loader } from "./loader.ts";

export const loaderIndex: Index<Loader> = {
  none: () => import("./loader/none.ts"),
  "tf-data": () => import("./loader/tf-data.ts"),
};
