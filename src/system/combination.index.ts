// Written by `npm run index` from the files of combination/.
import type { CombinationIndex } from "./combination.ts";

export const combinationIndex: CombinationIndex = {
  "faster-transformer": () => import("./combination/faster-transformer.ts"),
  sarathi: () => import("./combination/sarathi.ts"),
  vllm: () => import("./combination/vllm.ts"),
};
