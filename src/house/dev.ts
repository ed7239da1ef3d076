/**
 * `npm run dev`: compiles on every change, and restarts `heddle serve` once the compiler is content.
 *
 *     tsc --watch ──"Found 0 errors"──► stop the server, wait for its end, start the next
 *
 * Both children end with this process when a signal that can be caught ends it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const main = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
const serveArguments = process.argv.slice(2);

// TypeScript 7 is a small script that waits for a native process: they make a group, so that both can be ended.
const tsc = spawn(process.execPath, [compiler, "-p", root, "--watch", "--preserveWatchOutput", "--outDir", outDir()], {
  cwd: root,
  stdio: ["ignore", "pipe", "inherit"],
  detached: true,
});
let server: ChildProcess | undefined;
let restarting = Promise.resolve();
let ending = false;

function outDir(): string {
  return fileURLToPath(new URL("../", import.meta.url));
}

async function restart(): Promise<void> {
  await stop(server);
  if (ending) return;
  server = spawn(process.execPath, ["--enable-source-maps", main, "serve", ...serveArguments], { stdio: "inherit" });
}

/** The server drains on SIGTERM; one that is busy for longer than two seconds is ended, since its code is old. */
async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 2000);
  await ended;
  clearTimeout(late);
}

async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  if (tsc.pid !== undefined && tsc.exitCode === null && tsc.signalCode === null) process.kill(-tsc.pid, "SIGKILL");
  await restarting.then(() => stop(server));
  process.exit(0);
}

createInterface({ input: tsc.stdout }).on("line", (line) => {
  process.stdout.write(`${line}\n`);
  if (line.includes("Found 0 errors")) restarting = restarting.then(restart);
});
tsc.on("exit", () => void end());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end());
