// Written by `npm run index` from the files of primitive/.
import type { Index } from "../core/slot.ts";
import type { Primitive } from "./primitive.ts";

export const primitiveIndex: Index<Primitive> = {
  "fine-grained": () => import("./primitive/fine-grained.ts"),
  tpp: () => import("./primitive/tpp.ts"),
};
