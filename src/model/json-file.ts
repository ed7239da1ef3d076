/** Files of JSON beside weights. */
import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../core/errors.ts";

/** `undefined` where there is no such file. */
export function readJson(path: string): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)));
  } catch (error) {
    throw new UserError(`Reading ${path}: it is not JSON (${(error as Error).message}).`, "Download it again.");
  }
}
