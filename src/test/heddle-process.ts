/** `heddle` as its users meet it: a process of its own, its two outputs, and how it ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export const heddleMain = fileURLToPath(new URL("../cli/main.js", import.meta.url));
export const noiseFile = fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Environment {
  readonly [name: string]: string;
}

/** A process that has not ended yet. */
export interface Heddle {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once standard output matches; fails where the process ends first. */
  said(pattern: RegExp): Promise<RegExpMatchArray>;
}

export function startHeddle(words: readonly string[], environment: Environment = {}): Heddle {
  const child = spawn(process.execPath, [heddleMain, ...words], {
    env: { ...process.env, HEDDLE_HOME: "/nonexistent/heddle", PORT: "", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  let isOver = false;
  const ended = once(child, "close").then(([code, signal]) => {
    isOver = true;
    return { code, signal, stdout, stderr };
  });
  return {
    child,
    ended,
    async said(pattern) {
      for (;;) {
        const found = stdout.match(pattern);
        if (found !== null) return found;
        // Not before its output has come, too.
        if (isOver) throw new Error(`ended: ${stdout}${stderr}`);
        await Promise.race([once(child.stdout, "data"), ended]);
      }
    },
  };
}

export const runHeddle = (words: readonly string[], environment?: Environment): Promise<Ended> =>
  startHeddle(words, environment).ended;

/** Serves the model of noise on any free port; the caller ends it. */
export async function serveNoise(
  words: readonly string[] = [],
  environment?: Environment,
): Promise<Heddle & { readonly url: string }> {
  const server = startHeddle(["serve", noiseFile, "--port", "0", "--level", "wasm", ...words], environment);
  const [, url] = await server.said(/^(http:\S+)\/v1 /m);
  return { ...server, url: url! };
}
