/**
 * An answer as server-sent events: opening chunks, a chunk for what each event adds, the usage if asked for, `[DONE]`.
 *
 * A failure after the first byte can no longer be a status: it becomes an error event, and the stream ends without
 * `[DONE]`.
 */
import type { FastifyReply } from "fastify";
import type { GenerationEvent } from "../generation.ts";
import { toApiError } from "./errors.ts";
import type { Api, Exchange } from "./exchange.ts";
import { openEventStream } from "./sse.ts";

export interface StreamedAnswer {
  /** The fields that every chunk begins with. */
  readonly head: object;
  /** Send the usage in a last chunk (and say `usage: null` in the others, as OpenAI does). */
  readonly usage: boolean;
  /** Choices in JSON, sent before anything is generated. */
  readonly opening: readonly string[];
  /** The choices in JSON, each for a chunk of its own, that an event gives rise to. */
  readonly choices: (choice: number, event: GenerationEvent) => readonly string[];
}

export async function streamAnswer(
  api: Api,
  exchange: Exchange,
  reply: FastifyReply,
  answer: StreamedAnswer,
): Promise<void> {
  reply.hijack();
  const headers = reply.getHeaders() as Record<string, string>;
  const stream = openEventStream(reply.raw, headers, api.stallSeconds);
  // A chunk repeats its head; writing it once as text saves serialising it for every token.
  const head = JSON.stringify(answer.head).slice(0, -1);
  const tail = answer.usage ? ',"usage":null}' : "}";
  const chunk = (choice: string) => stream.send(`${head},"choices":[${choice}]${tail}`);
  const sendAll = async (choices: readonly string[]) => {
    for (const choice of choices) await chunk(choice);
  };
  try {
    await sendAll(answer.opening);
    await exchange.consume((index, event) => {
      const choices = answer.choices(index, event);
      return choices.length === 0 ? undefined : sendAll(choices);
    });
    if (answer.usage) await stream.send(`${head},"choices":[],"usage":${JSON.stringify(exchange.usage())}}`);
    stream.end("[DONE]");
  } catch (failure) {
    const error = toApiError(failure);
    if (error.status >= 500) api.report(failure);
    stream.end(JSON.stringify(error.body));
  }
}
