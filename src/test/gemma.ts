/** Gemma 3 270M, for tests that need real weights: skipped, and announced, where the file is not there. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const gemmaFile =
  process.env.HEDDLE_GEMMA ?? fileURLToPath(new URL("../../.models/gemma-3-270m.gguf", import.meta.url));

/** For `test(…, { skip: gemmaSkip }, …)`. With HEDDLE_GEMMA set, as continuous integration has it, nothing is skipped. */
export const gemmaSkip: string | false =
  process.env.HEDDLE_GEMMA !== undefined || existsSync(gemmaFile) ? false : `${gemmaFile} is not there`;
