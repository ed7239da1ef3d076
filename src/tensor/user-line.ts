/** Where in the user's code an operation was asked for. */
import { UserError } from "../core/errors.ts";

/** `file:line:column` of the innermost caller outside of this package (its tests count as outside); absent if there is none. */
export function userLine(): string | undefined {
  const home = new URL("../", import.meta.url).href;
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 50;
  // Files as they run tell what is ours; the printed stack, at the same depth, has the lines of the sources where it can.
  Error.prepareStackTrace = (_, sites) => sites.map((site) => site.getFileName() ?? "");
  const files = new Error().stack as unknown as readonly string[];
  Error.prepareStackTrace = prepareStackTrace;
  const lines = (new Error().stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  Error.stackTraceLimit = stackTraceLimit;
  const isTheirs = (file: string): boolean =>
    !file.startsWith("node:") && file !== "" && (!file.startsWith(home) || file.endsWith(".test.js"));
  const line = lines[files.findIndex(isTheirs)];
  return line === undefined
    ? undefined
    : /\(?((?:file:\/\/)?\/[^()]*:\d+:\d+)\)?$/.exec(line)?.[1]?.replace("file://", "");
}

/** Throws a `UserError` that ends with the line of the user's code. */
export function refuse(what: string, wrong: string, todo?: string): never {
  const line = userLine();
  throw new UserError(`${what}: ${wrong}${line === undefined ? "" : ` At ${line}.`}`, todo);
}
