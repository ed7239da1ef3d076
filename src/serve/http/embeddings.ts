/** `POST /v1/embeddings`: unit vectors, as numbers or as base64 of little-endian float32. */
import type { FastifyReply } from "fastify";
import { embeddingsFields } from "./completions-fields.ts";
import { badRequest } from "./errors.ts";
import type { Api } from "./exchange.ts";
import { promptList } from "./prompt-list.ts";
import { chosenAdapter } from "./request.ts";
import { validate } from "./validate.ts";

/** OpenAI's limit of one request. */
const inputsMax = 2048;

export async function embeddings(api: Api, body: unknown, reply: FastifyReply): Promise<unknown> {
  const fields = validate(embeddingsFields, body);
  if (chosenAdapter(api, fields.model) !== undefined) {
    throw badRequest(`'${fields.model}' is an adapter; embeddings are the model's: ask '${api.model}'.`, "model");
  }
  const inputs = await promptList(api.service, fields.input, "input", inputsMax);
  for (const [i, tokens] of inputs.entries()) {
    const path = inputs.length === 1 ? "input" : `input[${i}]`;
    if (tokens.length === 0) throw badRequest(`'${path}' is empty: there is nothing to embed.`, path);
    if (tokens.length > api.service.context) {
      const message = `This server's context is ${api.service.context} tokens; '${path}' has ${tokens.length}. Shorten it.`;
      throw badRequest(message, path, "context_length_exceeded");
    }
  }
  const data: unknown[] = [];
  for (const [index, tokens] of inputs.entries()) {
    // One at a time, so that a client that hangs up stops what it has not been given yet.
    if (reply.raw.destroyed) break;
    const vector = normalised(await api.service.embed(tokens));
    data.push({
      object: "embedding",
      index,
      embedding: fields.encoding_format === "base64" ? base64(vector) : [...vector],
    });
  }
  const tokens = inputs.reduce((sum, input) => sum + input.length, 0);
  return { object: "list", data, model: api.model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
}

function normalised(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector);
  return norm === 0 ? vector : vector.map((v) => v / norm);
}

/** Byte order is written out: typed arrays have the machine's. */
function base64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [i, value] of vector.entries()) bytes.writeFloatLE(value, i * 4);
  return bytes.toString("base64");
}
