/** Tensors leave when memory does not suffice, and come back when they are needed: the baseline. */
import { keepAll } from "../memory.ts";
import { offload } from "../offload.ts";

export default offload({
  title: "Offload on demand",
  rows: [],
  idea: "Where a tensor does not fit, those that were not used for longest go to the host, and each comes back when a unit wants it; nothing is fetched ahead.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    return { plan: ({ drops }) => ({ ...keepAll, drops, evict: "least-recent" }) };
  },
});
