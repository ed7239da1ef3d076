/** Failures outside the endpoints: unknown paths, wrong methods, bytes that are no HTTP, bugs. */
import type { Socket } from "node:net";
import type { FastifyError, FastifyInstance } from "fastify";
import { ApiError, toApiError } from "./errors.ts";
import { allowedMethods } from "./routes.ts";

export function answerFailures(app: FastifyInstance): void {
  app.setErrorHandler((failure: FastifyError, _request, reply) => {
    const error = toApiError(failure);
    if (error.status >= 500 && error !== (failure as Error)) app.log.error(failure);
    return reply.status(error.status).headers(error.headers).send(error.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?")[0]!;
    const allowed = allowedMethods(path);
    const error =
      allowed.length > 0
        ? new ApiError(405, `${request.method} is not allowed for ${path}; use ${allowed.join(" or ")}.`, {
            code: "method_not_allowed",
            headers: { allow: allowed.join(", ") },
          })
        : new ApiError(404, `There is no ${path} here; GET / lists what there is.`, { code: "unknown_url" });
    return reply.status(error.status).headers(error.headers).send(error.body);
  });
}

/** Answers what could not be read as a request, unless that would land in the middle of another answer. */
export function refuseRaw(error: Error & { readonly code?: string }, socket: Socket, busy: boolean): void {
  if (busy || !socket.writable || error.code === "ECONNRESET") {
    socket.destroy(error);
    return;
  }
  const refusal = rawRefusal(error.code);
  const body = JSON.stringify(refusal.body);
  const reason = { 400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large" }[refusal.status];
  const head = [
    `HTTP/1.1 ${refusal.status} ${reason}`,
    "content-type: application/json; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
  socket.destroySoon();
}

function rawRefusal(code: string | undefined): ApiError & { readonly status: number } {
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return new ApiError(408, "The request did not arrive in time; send it faster.", { code: "request_timeout" });
  }
  if (code === "HPE_HEADER_OVERFLOW") {
    return new ApiError(431, "The request's headers are too large.", { code: "headers_too_large" });
  }
  return new ApiError(400, "This is not a valid HTTP request.", { code: "invalid_http" });
}
