/** Ports for servers that are told theirs before they begin. */
import { createServer } from "node:net";

/** The first of `count` in a row that are free, below those that the kernel gives to others meanwhile. */
export async function freePorts(count: number): Promise<number> {
  for (;;) {
    const first = 21_000 + count * Math.floor((4500 / count) * Math.random());
    const free = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (free.every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
