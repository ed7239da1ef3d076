/** What jobs of an older trace took, for policies that learn from it: a trace, or a file of one column as Tiresias's simulator reads it. */
import { readFileSync } from "node:fs";
import { UserError } from "../../core/errors.ts";
import { loadTrace } from "./load.ts";

/** GPU-seconds of each job. Throws a `UserError` where the file has none. */
export async function readHistory(path: string): Promise<readonly number[]> {
  const column = columnOf(path);
  if (column !== undefined) return column;
  const { jobs } = await loadTrace(path);
  const services = jobs.flatMap(({ gpus, duration }) => (duration === undefined ? [] : [gpus * duration]));
  if (services.length > 0) return services;
  throw new UserError(`--history ${path}: no job of it says how long it ran.`);
}

/** One number a line, below a name or not; undefined where it is anything else, or cannot be read. */
function columnOf(path: string): readonly number[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    // Whatever is the matter with it, who reads it as a trace says so.
    return undefined;
  }
  const lines = text.trim().split(/\r?\n/);
  const [first = ""] = lines;
  const numbers = (Number.isNaN(Number(first)) && /^\w+$/.test(first) ? lines.slice(1) : lines).map(Number);
  return numbers.length > 0 && numbers.every((number) => number >= 0) ? numbers : undefined;
}
