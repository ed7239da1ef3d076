// Written by `npm run index` from the files of combination/.
import type { CombinationIndex } from "./combination.ts";

export const combinationIndex: CombinationIndex = {
  elasticflow: () => import("./combination/elasticflow.ts"),
  "faster-transformer": () => import("./combination/faster-transformer.ts"),
  gandiva: () => import("./combination/gandiva.ts"),
  hived: () => import("./combination/hived.ts"),
  "muri-l": () => import("./combination/muri-l.ts"),
  "muri-s": () => import("./combination/muri-s.ts"),
  optimus: () => import("./combination/optimus.ts"),
  pollux: () => import("./combination/pollux.ts"),
  sarathi: () => import("./combination/sarathi.ts"),
  tiresias: () => import("./combination/tiresias.ts"),
  vllm: () => import("./combination/vllm.ts"),
};
