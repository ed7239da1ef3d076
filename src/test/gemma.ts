/** Gemma 3 270M, for tests that need real weights: skipped, and announced, where the file is not there. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const places = [
  join(process.env.HEDDLE_HOME ?? join(homedir(), ".cache", "heddle"), "models", "gemma-3-270m.gguf"),
  fileURLToPath(new URL("../../.models/gemma-3-270m.gguf", import.meta.url)),
];

export const gemmaFile = places.find((place) => existsSync(place)) ?? places[0]!;

const required = (process.env.HEDDLE_REQUIRE ?? "").split(",").includes("gemma");

/** For `test(…, { skip: gemmaSkip }, …)`. Where HEDDLE_REQUIRE names gemma, as in continuous integration, nothing is skipped. */
export const gemmaSkip: string | false =
  required || existsSync(gemmaFile) ? false : `${gemmaFile} is not there: heddle pull gemma-3-270m`;
