// Written by `npm run index` from the files of architecture/.
import type { ArchitectureIndex } from "./architecture.ts";

export const architectureIndex: ArchitectureIndex = {
  gemma3: () => import("./architecture/gemma3.ts"),
  llama: () => import("./architecture/llama.ts"),
  qwen2: () => import("./architecture/qwen2.ts"),
  qwen3: () => import("./architecture/qwen3.ts"),
};
