/** Data that is not part of the project and may lie beside it: traces and published results. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file or folder of `../shared/data`; `undefined` where it is not there, and tests skip. */
export function sharedData(path: string): string | undefined {
  const found = fileURLToPath(new URL(`../../../shared/data/${path}`, import.meta.url));
  return existsSync(found) ? found : undefined;
}

/** For `test(name, skipWithout(path), …)`: says why. */
export const skipWithout = (path: string): { readonly skip: string | false } => ({
  skip: sharedData(path) === undefined && `../shared/data/${path} is not here`,
});
