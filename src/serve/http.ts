/**
 * The OpenAI-compatible server over a `Service`.
 *
 *     socket ──► key ──► body (bounded, strict) ──► fields (zod) ──► service.generate ──events──► JSON or SSE
 *
 * It owns nothing but connections: requests are admitted, queued and priced by the service. A client that hangs up
 * cancels what it asked for; a failure is an answer in OpenAI's shape, and never the end of the server.
 */
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, fastify, LogController } from "fastify";
import { UserError } from "../core/errors.ts";
import { WallClock } from "../time/wall-clock.ts";
import type { Service } from "./generation.ts";
import { checkContentType, parseBody, readBody } from "./http/body.ts";
import { type Connections, createConnections } from "./http/connections.ts";
import { ApiError } from "./http/errors.ts";
import type { Api } from "./http/exchange.ts";
import { answerFailures, refuseRaw } from "./http/failures.ts";
import { keyCheck } from "./http/key.ts";
import { createMetrics } from "./http/metrics.ts";
import { addRoutes, isOpen } from "./http/routes.ts";

export interface ServerOptions {
  readonly service: Service;
  /** The name that requests must give; default the checkpoint's. */
  readonly model?: string;
  /** Requests to `/v1` must carry it as a bearer token. Without it everybody is let in. */
  readonly apiKey?: string;
  /** A pino logger; default silent. */
  readonly logger?: FastifyBaseLogger;
  /** Default 10 MiB. */
  readonly bodyLimitBytes?: number;
  /** A request must have arrived whole after this long. Default 60. */
  readonly requestTimeoutSeconds?: number;
  /** A streaming client that takes nothing for this long is disconnected. Default 300. */
  readonly stallTimeoutSeconds?: number;
}

export interface Server {
  /** Resolves to the address once connections are taken. Port 0 takes any free one. */
  listen(host: string, port: number): Promise<string>;
  /** `http://host:port`, once it listens. */
  readonly url: string | undefined;
  /** Takes no more, lets what runs finish, then closes. The service is drained too, and left for its owner to close. */
  drain(): Promise<void>;
  /** Hangs up on everybody and closes. */
  close(): Promise<void>;
}

const drainRetrySeconds = 5;

export function createServer(options: ServerOptions): Server {
  const { service } = options;
  const model = options.model ?? service.checkpoint.name;
  const connections = createConnections();
  const app = createApp(options, connections);
  const api: Api = {
    service,
    model,
    metrics: createMetrics(service, model),
    clock: new WallClock(),
    fingerprint: fingerprint(service, model),
    stallSeconds: options.stallTimeoutSeconds ?? 300,
    report: (failure) => app.log.error(failure),
  };
  admit(app, connections, options.apiKey);
  addRoutes(app, api, connections);
  answerFailures(app);

  let url: string | undefined;
  let closing: Promise<void> | undefined;
  const closeApp = () => (closing ??= app.close());
  return {
    get url() {
      return url;
    },
    async listen(host, port) {
      await app.listen({ host, port }).catch((failure: unknown) => {
        throw listenFailure(host, port, failure);
      });
      const { port: bound } = app.server.address() as AddressInfo;
      url = `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
      return url;
    },
    async drain() {
      connections.drain(app.server);
      await Promise.all([connections.idle(), service.drain()]);
      // What is left asked for nothing yet, as the spare connections of browsers: Node would wait for it for a minute.
      app.server.closeAllConnections();
      await closeApp();
    },
    async close() {
      connections.drain(app.server);
      app.server.closeAllConnections();
      await closeApp();
    },
  };
}

function listenFailure(host: string, port: number, failure: unknown): unknown {
  const code = failure instanceof Error && "code" in failure ? failure.code : undefined;
  const where = `Cannot listen on ${host}:${port}`;
  if (code === "EADDRINUSE") return new UserError(`${where}: the port is in use.`, "Choose another with --port.");
  if (code === "EACCES") return new UserError(`${where}: no permission.`, "Choose a port above 1023 with --port.");
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new UserError(
      `${where}: this machine has no such address.`,
      "Use 127.0.0.1, or 0.0.0.0 for all, with --host.",
    );
  }
  return failure;
}

/** Runs before a body is read: strangers and latecomers are refused without it. */
function admit(app: FastifyInstance, connections: Connections, apiKey: string | undefined): void {
  const checkKey = keyCheck(apiKey);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-request-id", request.id);
    connections.begin(request.raw, reply.raw);
    logAnswer(request, reply.raw);
    if (connections.draining) reply.header("connection", "close");
    // The route, not the path: a path can be written in many ways (/%76%31/models) that reach one route.
    if (isOpen(request.routeOptions.url)) return;
    checkKey(request.headers.authorization);
    if (!connections.draining) return;
    const headers = { "retry-after": String(drainRetrySeconds) };
    throw new ApiError(503, "The server is shutting down; try again later.", { code: "shutting_down", headers });
  });
}

/** One line for each answer, once its last byte has gone: its length in time is the stream's. */
function logAnswer(request: FastifyRequest, response: ServerResponse): void {
  const began = performance.now();
  response.once("close", () => {
    const seconds = Math.round(performance.now() - began) / 1e3;
    const { method, url } = request;
    const level = isOpen(request.routeOptions.url) ? "debug" : "info";
    const hungUp = !response.writableFinished;
    request.log[level]({ method, url, status: response.statusCode, seconds, hungUp }, "answered");
  });
}

function createApp(options: ServerOptions, connections: Connections): FastifyInstance {
  const limit = options.bodyLimitBytes ?? 10 * 1024 * 1024;
  const requestSeconds = options.requestTimeoutSeconds ?? 60;
  const app: FastifyInstance = fastify({
    ...(options.logger === undefined ? {} : { loggerInstance: options.logger }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: "idle",
    // Draining is answered by our own hook, in OpenAI's shape.
    return503OnClosing: false,
    requestTimeout: requestSeconds * 1e3,
    keepAliveTimeout: 75e3,
    genReqId: () => randomUUID(),
    http: { headersTimeout: Math.min(20, requestSeconds) * 1e3, connectionsCheckingInterval: 1e3 },
    clientErrorHandler: (error, socket) => refuseRaw(error, socket, connections.busy(socket)),
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", async (request: FastifyRequest, stream: IncomingMessage) => {
    checkContentType(request.headers);
    return parseBody(await readBody(stream, request.headers, limit));
  });
  return app;
}

/** Changes with the model, so that a client can tell answers with the same seed apart. */
function fingerprint(service: Service, model: string): string {
  const identity = JSON.stringify([model, service.checkpoint.config]);
  return `fp_${createHash("sha256").update(identity).digest("hex").slice(0, 12)}`;
}
