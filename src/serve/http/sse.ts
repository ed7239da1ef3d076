/**
 * Server-sent events with back-pressure.
 *
 * A write that finds the socket's buffer full waits until it has drained, so a slow client holds one buffer (64 KiB) and
 * no more: the tokens it has not read yet stay in the generation. A client that takes nothing for `stallSeconds` is cut.
 */
import type { ServerResponse } from "node:http";

export interface EventStream {
  /** False once the client is gone; nothing more is written then. */
  readonly open: boolean;
  /** Writes one `data:` line; resolves when more may be written. */
  send(json: string): Promise<void>;
  end(last?: string): void;
}

export function openEventStream(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  stallSeconds: number,
): EventStream {
  response.writeHead(200, {
    ...headers,
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // Proxies that would collect the events into larger pieces (nginx) are told not to.
    "x-accel-buffering": "no",
  });
  // Several senders (the choices of one request) may wait at once: they share one wait.
  let waiting: Promise<void> | undefined;
  const drained = () => (waiting ??= untilDrained(response, stallSeconds).finally(() => (waiting = undefined)));
  return {
    get open() {
      return !response.destroyed && !response.writableEnded;
    },
    async send(json) {
      if (response.destroyed || response.writableEnded) return;
      if (!response.write(`data: ${json}\n\n`)) await drained();
    },
    end(last) {
      if (response.destroyed || response.writableEnded) return;
      response.end(last === undefined ? undefined : `data: ${last}\n\n`);
    },
  };
}

/** Resolves when the buffer is empty or the client gone, which a client that stalls is made to be. */
function untilDrained(response: ServerResponse, stallSeconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), stallSeconds * 1e3);
    const done = () => {
      clearTimeout(timer);
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
