/** What the server answers to. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { parseBody } from "./body.ts";
import { chat } from "./chat.ts";
import { completions } from "./completions.ts";
import type { Connections } from "./connections.ts";
import { embeddings } from "./embeddings.ts";
import type { Api } from "./exchange.ts";
import { chatPage } from "./page.ts";
import { chosenAdapter } from "./request.ts";

const endpoints = {
  "/v1/chat/completions": chat,
  "/v1/completions": completions,
  "/v1/embeddings": embeddings,
} as const satisfies Record<string, (api: Api, body: unknown, reply: FastifyReply) => Promise<unknown>>;

/** Routes that need no key and work while the server drains. */
const open = ["/", "/health", "/metrics"];
const pages = [...open, "/v1/models"];

export function isOpen(route: string | undefined): boolean {
  return route !== undefined && open.includes(route);
}

/** The methods that a path takes; none where there is no such path. */
export function allowedMethods(path: string): readonly string[] {
  if (Object.hasOwn(endpoints, path)) return ["POST"];
  return pages.includes(path) || path.startsWith("/v1/models/") ? ["GET", "HEAD"] : [];
}

export function addRoutes(app: FastifyInstance, api: Api, connections: Pick<Connections, "draining">): void {
  for (const [path, answer] of Object.entries(endpoints)) {
    app.post(path, async (request, reply) => {
      // A POST without a body reaches no parser; it is refused in the same words as an empty one.
      const result = await answer(api, request.body ?? parseBody(new Uint8Array()), reply);
      // Nobody is left to answer where the client hung up, and a stream has answered already.
      if (reply.sent) return reply;
      return reply.raw.destroyed ? reply.hijack() : result;
    });
  }
  const created = Math.floor(Date.now() / 1e3);
  const model = (id: string) => ({
    id,
    object: "model",
    created,
    owned_by: "heddle",
    max_model_len: api.service.context,
    ...(id === api.model ? {} : { parent: api.model }),
  });
  const adapters = (api.service.checkpoint.adapters ?? []).map(({ name }) => name);
  app.get("/v1/models", async () => ({ object: "list", data: [api.model, ...adapters].map(model) }));
  app.get<{ Params: { "*": string } }>("/v1/models/*", async (request) => {
    const id = request.params["*"];
    chosenAdapter(api, id);
    return model(id);
  });
  app.get("/health", async (_request, reply) => {
    reply.status(connections.draining ? 503 : 200);
    return { status: connections.draining ? "draining" : "ok" };
  });
  app.get("/metrics", async (_request, reply) => {
    const text = await api.metrics.text();
    return reply.header("content-type", api.metrics.contentType).send(text);
  });
  addRoot(app, api);
}

/** Programs get a description, browsers a page. */
function addRoot(app: FastifyInstance, api: Api): void {
  const facts = { model: api.model, context: api.service.context };
  const description = {
    name: "heddle",
    ...facts,
    endpoints: [...Object.keys(endpoints).map((path) => `POST ${path}`), ...pages.map((path) => `GET ${path}`)],
    use: "Point an OpenAI client's base URL at /v1 of this server, or a browser at /.",
  };
  app.get("/", async (request, reply) => {
    reply.header("vary", "accept");
    if (!(request.headers.accept ?? "").includes("text/html")) return description;
    const { html, policy } = chatPage(facts);
    return reply.type("text/html; charset=utf-8").header("content-security-policy", policy).send(html);
  });
}
