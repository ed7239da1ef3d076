/**
 * The program as one file with its machine code kept: half of the time from a command to its work goes into finding,
 * reading and compiling some hundred modules.
 *
 * `npm run build` writes the bundle beside this file. What V8 makes of it, for each command, is kept under
 * `$HEDDLE_HOME/code` when a run ends, by the bundle's content; V8 refuses what another version of itself has made.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";
import { readKept, writeKept } from "../device/kept-file.ts";

const bundle = new URL("./bundle.cjs", import.meta.url);

/** A copy of the folder may have written them in any order. */
const copyingMilliseconds = 5000;

/** Kept files of earlier builds go when there are more than this many. */
const keptMax = 32;

/** Starts the program, and says whether there was a bundle to start. */
export function runBundle(): boolean {
  const source = readBundle();
  if (source === undefined) return false;
  // Functions that ran once, as those of modules do, would be dropped before what is kept is taken.
  setFlagsFromString("--no-flush-bytecode");
  const filename = fileURLToPath(bundle);
  const folder = join(process.env.HEDDLE_HOME || join(homedir(), ".cache", "heddle"), "code");
  const path = join(folder, keptName(source));
  const cachedData = readKept(path);
  const script = new Script(`(function (require, bundleUrl) {${source.toString("latin1")}\n})`, {
    filename,
    ...(cachedData !== undefined && { cachedData }),
  });
  if (cachedData === undefined || script.cachedDataRejected === true) {
    // At the end, so that it holds the functions that this command needed.
    process.on("exit", (code) => {
      if (code !== 0) return;
      writeKept(path, script.createCachedData(), keptMax);
    });
  }
  script.runInThisContext()(createRequire(bundle), bundle);
  return true;
}

/** A bundle that is older than the modules beside it was made of others. */
function readBundle(): Buffer | undefined {
  try {
    const beside = fileURLToPath(import.meta.url);
    if (statSync(bundle).mtimeMs + copyingMilliseconds < statSync(beside).mtimeMs) return undefined;
    return readFileSync(bundle);
  } catch {
    return undefined;
  }
}

function keptName(source: Buffer): string {
  const hash = createHash("sha256").update(source).digest("hex").slice(0, 32);
  const command = /^[a-z]+$/.exec(process.argv[2] ?? "")?.[0] ?? "heddle";
  return `${command}-${process.version}-${process.arch}-${hash}`;
}
