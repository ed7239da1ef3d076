/** YAML that must have a shape. */
import { parse } from "yaml";
import type { z } from "zod";
import { UserError } from "../../core/errors.ts";

/** Throws a `UserError` that names the place of what is wrong, and says what the file has: `shape`. */
export function checkedYaml<T extends z.ZodType>(text: string, name: string, schema: T, shape: string): z.infer<T> {
  let data: unknown;
  try {
    data = parse(text);
  } catch (error) {
    throw new UserError(`${name} is not YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  const read = schema.safeParse(data);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0]!;
  throw new UserError(`${name}: ${path.join(".")}: ${message}.`, shape);
}
