/** What stands for the compiler in the names of programs that are kept on disk. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Two folders decide what code a graph becomes. A bundle holds the answer instead of the question: see `house/bundle.ts`. */
export function compilerHash(): string {
  const hash = createHash("sha256");
  for (const part of ["../compile", "../graph"]) {
    const root = fileURLToPath(new URL(part, import.meta.url));
    const files = readdirSync(root, { recursive: true, encoding: "utf8" });
    for (const file of files.filter((f) => /(?<!\.test)\.[jt]s$/.test(f) && !f.endsWith(".d.ts")).sort()) {
      hash.update(readFileSync(join(root, file)));
    }
  }
  return hash.digest("hex");
}
