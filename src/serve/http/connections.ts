/** Which answers are under way, and how the server gets from taking requests to having none. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface Connections {
  readonly draining: boolean;
  begin(request: IncomingMessage, response: ServerResponse): void;
  /** True while an answer is being written to this socket: its first bytes have gone. */
  busy(socket: Duplex): boolean;
  /** Stops listening; connections close as they become idle. */
  drain(server: Server): void;
  /** Resolves once no answer is under way. */
  idle(): Promise<void>;
}

export function createConnections(): Connections {
  const answers = new Map<ServerResponse, Duplex>();
  const waiting: (() => void)[] = [];
  let draining: Server | undefined;
  const end = (response: ServerResponse) => {
    answers.delete(response);
    if (draining === undefined) return;
    // The socket counts as idle only after Node has finished with the answer.
    const server = draining;
    setImmediate(() => server.closeIdleConnections());
    if (answers.size === 0) for (const resolve of waiting.splice(0)) resolve();
  };
  return {
    get draining() {
      return draining !== undefined;
    },
    begin(request, response) {
      answers.set(response, request.socket);
      response.once("close", () => end(response));
    },
    busy: (socket) => [...answers].some(([response, own]) => own === socket && response.headersSent),
    drain(server) {
      if (draining !== undefined) return;
      draining = server;
      if (server.listening) server.close();
      server.closeIdleConnections();
    },
    idle: () => (answers.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}
