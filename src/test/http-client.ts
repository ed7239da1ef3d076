/** A server over a fake service on a free port, and OpenAI's own client, for as long as a test needs them. */
import net from "node:net";
import OpenAI from "openai";
import { pino } from "pino";
import { createServer, type Server, type ServerOptions } from "../serve/http.ts";
import { createFakeService, type FakeOptions, type FakeService } from "./fake-service.ts";

export interface Bench {
  readonly client: OpenAI;
  readonly service: FakeService;
  readonly server: Server;
  readonly url: string;
  /** What the server logged as its own failures. */
  readonly failures: readonly string[];
  /** Posts JSON (or any body) and reads the answer's status and JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: { readonly error: { message: string; type: string; param: string | null; code: string | null } };
}

export async function withClient(
  fake: FakeOptions,
  use: (bench: Bench) => Promise<void>,
  options: Partial<ServerOptions> = {},
): Promise<void> {
  const service = createFakeService(fake);
  const failures: string[] = [];
  const logger = pino({ level: "error" }, { write: (line: string) => failures.push(line) });
  const server = createServer({ service, logger, ...options });
  const url = await server.listen("127.0.0.1", 0);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: options.apiKey ?? "none", maxRetries: 0 });
  const post: Bench["post"] = async (path, body, headers = {}) => {
    const raw = typeof body === "string" || body instanceof Uint8Array;
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: raw ? (body as string) : JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: (await response.json()) as Reply["body"] };
  };
  try {
    await use({ client, service, server, url, failures, post });
  } finally {
    await server.close();
  }
}

/** Sends bytes as they are and reads all that comes back until the server closes, or no more than comes first. */
export function exchangeRaw(url: string, bytes: string | Uint8Array, read: "all" | "first" = "all"): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), hostname, () => socket.write(bytes));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (read === "first") socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}
