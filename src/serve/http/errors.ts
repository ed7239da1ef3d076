/** Every refusal leaves the server in OpenAI's shape: `{error: {message, type, param, code}}` and a matching status. */
import { UserError } from "../../core/errors.ts";
import { NoNumbers, QueueFull } from "../generation.ts";

export interface ApiErrorOptions {
  readonly param?: string;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is not a success. `status` is HTTP's. */
export class ApiError extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, options: ApiErrorOptions = {}) {
    super(message);
    this.status = status;
    this.param = options.param ?? null;
    this.code = options.code ?? null;
    this.headers = options.headers ?? {};
  }

  get body(): { readonly error: Readonly<Record<"message" | "type" | "param" | "code", string | null>> } {
    return { error: { message: this.message, type: errorType(this.status), param: this.param, code: this.code } };
  }
}

/** A 400 about one field of the request. */
export function badRequest(message: string, param?: string, code = "invalid_value"): ApiError {
  return new ApiError(400, message, param === undefined ? { code } : { param, code });
}

function errorType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  if (status === 503) return "service_unavailable_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** What a client is told of a failure. Only our own messages pass: a bug's message stays in the log. */
export function toApiError(failure: unknown): ApiError {
  if (failure instanceof ApiError) return failure;
  if (failure instanceof QueueFull) {
    const seconds = Math.max(1, Math.ceil(failure.retryAfterSeconds));
    const headers = { "retry-after": String(seconds) };
    return new ApiError(429, failure.message, { code: "queue_full", headers });
  }
  if (failure instanceof NoNumbers) return new ApiError(500, failure.message, { code: "no_numbers" });
  if (failure instanceof UserError) return new ApiError(400, failure.message, { code: "invalid_request" });
  const status = refusedByFramework(failure);
  if (status !== undefined) return new ApiError(status, (failure as Error).message, { code: "bad_request" });
  return new ApiError(500, "The server failed to answer; its log says why.", { code: "internal_error" });
}

/** Fastify's own refusals (a path it cannot decode, a content type it cannot read) carry a code and a 4xx status. */
function refusedByFramework(failure: unknown): number | undefined {
  if (!(failure instanceof Error) || !("code" in failure) || !("statusCode" in failure)) return undefined;
  const { code, statusCode } = failure;
  if (typeof code !== "string" || !code.startsWith("FST_") || typeof statusCode !== "number") return undefined;
  return statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
