/**
 * A request's body, read strictly: bounded before it is buffered, UTF-8 without repair, JSON without lone surrogates.
 *
 *     socket ──► bytes (≤ limit) ──► text (fatal UTF-8) ──► JSON ──► well-formed strings
 */
import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { ApiError, badRequest } from "./errors.ts";

/** Throws 415 for anything but JSON in UTF-8. */
export function checkContentType(headers: IncomingHttpHeaders): void {
  const type = headers["content-type"];
  const [essence = "", ...parameters] = (type ?? "").toLowerCase().split(";");
  const charset = parameters.map((p) => p.trim()).find((p) => p.startsWith("charset="));
  if (essence.trim() !== "application/json") {
    throw new ApiError(415, `Content-Type is ${type ?? "missing"}; send application/json.`, {
      code: "unsupported_media_type",
    });
  }
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset)) {
    throw new ApiError(415, `The body's ${charset} is not supported; send UTF-8.`, { code: "unsupported_media_type" });
  }
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new ApiError(415, `Content-Encoding ${encoding} is not supported; send the body uncompressed.`, {
      code: "unsupported_encoding",
    });
  }
}

/**
 * Reads at most `limit` bytes. A larger body is refused as soon as that is known (by its declared length before the first
 * byte); what still arrives is discarded by Node when the answer ends, so that the client gets to read the answer.
 */
export async function readBody(stream: Readable, headers: IncomingHttpHeaders, limit: number): Promise<Buffer> {
  const declared = Number(headers["content-length"] ?? 0);
  if (declared > limit) throw tooLarge(`${declared} bytes`, limit);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (failure: Error) => {
      stream.off("data", onData).off("end", onEnd).off("error", stop).off("close", onClose);
      reject(failure);
    };
    const onData = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length <= limit) return;
      chunks.length = 0;
      stop(tooLarge(`more than ${limit} bytes`, limit));
      stream.resume();
    };
    const onEnd = () => resolve(Buffer.concat(chunks, length));
    const onClose = () => stop(badRequest(`The body ended after ${length} of ${declared} bytes.`));
    stream.on("data", onData).on("end", onEnd).on("error", stop).on("close", onClose);
  });
}

function tooLarge(size: string, limit: number): ApiError {
  return new ApiError(413, `The body has ${size}; this server reads at most ${limit}. Send a shorter request.`, {
    code: "body_too_large",
  });
}

/** The object that a body holds. Throws a 400 that says where it is malformed. */
export function parseBody(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length === 0) throw badRequest("The body is empty; send a JSON object.", undefined, "invalid_json");
  const text = decode(bytes);
  const value = parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(`The body must be a JSON object, not ${kindOf(value)}.`, undefined, "invalid_json");
  }
  // Strict UTF-8 holds no surrogates, so only an escape can bring one in.
  if (/\\u[dD][89a-fA-F]/.test(text)) checkWellFormed(value, "");
  return value as Record<string, unknown>;
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw badRequest("The body is not valid UTF-8; encode it as UTF-8.", undefined, "invalid_utf8");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (failure) {
    const reason = failure instanceof SyntaxError ? failure.message : "it is nested too deeply";
    throw badRequest(`The body is not valid JSON: ${reason.slice(0, 200)}.`, undefined, "invalid_json");
  }
}

export function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** How deep a request may nest: JSON schemas stay far below, and what recurses over a body stays within its stack. */
const depthMax = 100;

/** Throws for a value nested deeper than any request has reason to be, named by its top-level field. */
export function checkDepth(value: unknown, param: string): void {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw badRequest(`'${param}' is nested deeper than ${depthMax} levels.`, param);
    level = level.flatMap((v) => (typeof v === "object" && v !== null ? Object.values(v) : []));
  }
}

const surrogate = /\p{Surrogate}/u;

/** Throws for a string (or key) that has half of a surrogate pair: it has no UTF-8 form, so no tokens. */
function checkWellFormed(root: object, rootPath: string): void {
  const stack: { readonly value: unknown; readonly path: string }[] = [{ value: root, path: rootPath }];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    const { value, path } = item;
    if (typeof value === "string" && surrogate.test(value)) throw loneSurrogate(path);
    if (typeof value !== "object" || value === null) continue;
    for (const [key, child] of Object.entries(value)) {
      if (surrogate.test(key)) throw loneSurrogate(path === "" ? "body" : path);
      const step = Array.isArray(value) ? `[${key}]` : path === "" ? key : `.${key}`;
      stack.push({ value: child, path: path + step });
    }
  }
}

function loneSurrogate(path: string): ApiError {
  return badRequest(
    `'${path}' has a lone surrogate (\\ud800 to \\udfff without its pair); it is not Unicode text.`,
    path,
    "invalid_unicode",
  );
}
