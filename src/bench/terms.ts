/** What every row of a bench says about where it was measured. */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

export function terms(): Readonly<Record<string, string | number>> {
  return { machine: `${cpus()[0]?.model ?? "unknown"} × ${cpus().length}`, node: process.version, commit: commit() };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

export const row = (fields: Readonly<Record<string, unknown>>): void => {
  process.stdout.write(`${JSON.stringify({ ...fields, ...terms() })}\n`);
};
