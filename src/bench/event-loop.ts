/** The event loop's delay while 16 clients stream from Gemma 3 270M over HTTP, the model on both cores. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Worker } from "node:worker_threads";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { createServer } from "../serve/http.ts";
import { openService } from "../serve/service.ts";
import { gemmaFile } from "../test/gemma.ts";
import type { Bench } from "./terms.ts";

const clients = 16;
const tokens = 64;

/** Runs in a thread of its own, so that reading the streams is not what is measured. */
const client = `
  const { workerData, parentPort } = require("node:worker_threads");
  const { url, model, clients, tokens } = workerData;
  const one = async (i) => {
    const body = JSON.stringify({ model, prompt: "Chapter " + i + ". It was", max_tokens: tokens, stream: true, ignore_eos: true });
    const response = await fetch(url + "/v1/completions", { method: "POST", headers: { "content-type": "application/json" }, body });
    let bytes = 0;
    for await (const part of response.body) bytes += part.length;
    return bytes;
  };
  Promise.all(Array.from({ length: clients }, (_, i) => one(i))).then((all) => parentPort.postMessage(all));
`;

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openCheckpoint(gemmaFile);
  const runner = await loadRunner(checkpoint, { threads: 2 });
  const slots = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "none" };
  const service = await openService({ checkpoint, runner, ...slots });
  const server = createServer({ service });
  const url = await server.listen("127.0.0.1", 0);
  const ask = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(client, { eval: true, workerData: { url, model: checkpoint.name, clients, tokens } });
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  await ask();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  await ask();
  delay.disable();
  const seconds = (performance.now() - began) / 1000;
  const milliseconds = (q: number): number => delay.percentile(q) / 1e6;
  bench.note({
    name: "event loop",
    clients,
    p50: milliseconds(50),
    p99: milliseconds(99),
    max: delay.max / 1e6,
    unit: "ms",
    tokensPerSecond: (clients * tokens) / seconds,
  });
  await server.drain();
  await service.close();
  await runner.close();
  checkpoint.close();
}
