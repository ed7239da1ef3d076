/** `npm run dev` in a copy of the sources: serves, serves again after a change, and leaves nothing running. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const skip = process.platform === "linux" ? false : "it reads /proc";

test("it restarts after a change, and Ctrl-C leaves nothing behind", { skip, timeout: 120_000 }, async (context) => {
  const copy = mkdtempSync(join(tmpdir(), "heddle-dev-"));
  for (const name of ["src", "package.json", "tsconfig.json"]) {
    cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  cpSync(fileURLToPath(new URL("../", import.meta.url)), join(copy, "dist"), { recursive: true });
  for (const name of ["node_modules", "fixtures"]) symlinkSync(join(root, name), join(copy, name));
  const dev = spawn(
    process.execPath,
    [join(copy, "dist/house/dev.js"), "fixtures/noise.gguf", "--port", "0", "--level", "wasm"],
    {
      cwd: copy,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  context.after(() => {
    for (const pid of processesIn(copy)) process.kill(pid, "SIGKILL");
    rmSync(copy, { recursive: true, force: true });
  });
  let output = "";
  for (const stream of [dev.stdout, dev.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const served = async (times: number): Promise<void> => {
    while (output.split("\ncurl ").length - 1 < times) {
      assert.equal(dev.exitCode ?? dev.signalCode, null, output);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await served(1);
  appendFileSync(join(copy, "src/core/heap.ts"), "\nexport const touched = 1;\n");
  await served(2);
  assert.ok(processesIn(copy).length >= 3, "the compiler, the server and what watches them");
  dev.kill("SIGINT");
  const [code] = await once(dev, "close");
  assert.equal(code, 0);
  assert.deepEqual(processesIn(copy), []);
});

/** Processes whose arguments name the folder. */
function processesIn(folder: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      } catch {
        return false; // It has ended since.
      }
    })
    .map(Number);
}
