/** Streaming clients of an OpenAI-compatible server, and the two servers that they compare. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { gemmaFile, tokensOf } from "./gemma-steps.ts";
import { startLlamaServer } from "./peers.ts";

export interface Streamed {
  readonly firstSeconds: number;
  readonly seconds: number;
  /** As the server counts them. */
  readonly tokens: number;
}

/** The server is there, and says no. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(`${status}: ${text.slice(0, 300)}`);
    this.status = status;
  }
}

export interface Server {
  readonly port: number;
  /** Why it is gone, once it is. */
  gone(): string | undefined;
  end(): Promise<void>;
}

/** Sends a prompt of token ids, and reads the stream to its end. Rejects where the server refuses. */
export function complete(port: number, prompt: readonly number[], tokens: number): Promise<Streamed> {
  const options = { max_tokens: tokens, temperature: 0, ignore_eos: true };
  const streaming = { stream: true, stream_options: { include_usage: true } };
  return post(port, { model: "gemma-3-270m", prompt, ...options, ...streaming });
}

function post(port: number, fields: Readonly<Record<string, unknown>>): Promise<Streamed> {
  const began = performance.now();
  const since = (): number => (performance.now() - began) / 1000;
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json" };
    // A connection for each request: llama-server hangs up on those that are kept.
    const to = { host: "127.0.0.1", port, path: "/v1/completions", method: "POST", agent: false } as const;
    const sent = request({ ...to, headers }, (answer) => {
      let [text, firstSeconds] = ["", 0];
      answer.setEncoding("utf8");
      answer.on("error", reject);
      answer.on("data", (part: string) => {
        if (text === "") firstSeconds = since();
        text += part;
      });
      answer.on("end", () => {
        const counted = text.match(/"completion_tokens":\s*(\d+)/);
        if (answer.statusCode === 200 && counted !== null) {
          resolve({ firstSeconds, seconds: since(), tokens: Number(counted[1]) });
        } else reject(new Refused(answer.statusCode ?? 0, text));
      });
    });
    sent.on("error", reject);
    sent.end(JSON.stringify(fields));
  });
}

/** One stream from each client at once: tokens a second of all, and seconds to the first of each. */
export async function wave(
  port: number,
  { clients, prompt, generated, seed }: { clients: number; prompt: number; generated: number; seed: number },
): Promise<{ readonly rate: number; readonly firsts: readonly number[] }> {
  const began = performance.now();
  const streams = await Promise.all(
    Array.from({ length: clients }, (_, i) => complete(port, tokensOf(prompt, seed * clients + i + 1), generated)),
  );
  const seconds = (performance.now() - began) / 1000;
  const tokens = streams.reduce((sum, s) => sum + s.tokens, 0);
  return { rate: tokens / seconds, firsts: streams.map((s) => s.firstSeconds) };
}

/** `heddle serve`, as its users start it; prompts are not kept for later ones. */
export async function startOurs(threads: number, context: number): Promise<Server> {
  const main = fileURLToPath(new URL("../cli/main.js", import.meta.url));
  const port = await freePort();
  const words = ["serve", gemmaFile, "--port", `${port}`, "--threads", `${threads}`, "--context", `${context}`];
  return serverOf(spawn(process.execPath, [main, ...words, "--option", "kv-cache.sharePrefixes=0"]), port);
}

/** llama-server with a slot for each client; neither prompts nor idle slots are kept. */
export async function startTheirs(threads: number, clients: number, context: number): Promise<Server | undefined> {
  const port = await freePort();
  const where = ["-m", gemmaFile, "--host", "127.0.0.1", "--port", `${port}`];
  const size = ["-np", `${clients}`, "-c", `${clients * context}`, "-t", `${threads}`, "-tb", `${threads}`];
  const child = startLlamaServer([...where, ...size, ...llamaOptions]);
  return child && serverOf(child, port);
}

/** For the terms, too. */
export const llamaOptions = ["--no-cache-prompt", "--cache-ram", "0", "--ctx-checkpoints", "0", "--no-webui"];

/** Asks until the server answers; gives the seconds from now to the first streamed token. */
export async function firstToken({ port, gone }: Server, prompt: readonly number[], secondsMax = 120): Promise<number> {
  const began = performance.now();
  for (;;) {
    const asked = (performance.now() - began) / 1000;
    try {
      const { firstSeconds } = await complete(port, prompt, 1);
      return asked + firstSeconds;
    } catch (error) {
      const reason = gone();
      if (reason !== undefined) throw new Error(`The server ended: ${reason}`);
      // Not listening yet, or still loading (503).
      if (asked > secondsMax || (error instanceof Refused && error.status !== 503)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** A server that is told to end may wait for its clients; it is not waited for long. */
const patienceSeconds = 3;

function serverOf(child: ChildProcess, port: number): Server {
  let complaint = "";
  let reason: string | undefined;
  child.stdout?.resume();
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (complaint = (complaint + text).slice(-2000)));
  const ended = once(child, "close").then(() => (reason = complaint || `exit ${child.exitCode ?? child.signalCode}`));
  return {
    port,
    gone: () => reason,
    async end() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), 1000 * patienceSeconds);
      await ended;
      clearTimeout(kill);
    },
  };
}
