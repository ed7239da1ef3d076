/**
 * How near simulation is to the machine: three loads on Gemma 3 270M, recorded; pass costs fitted on the first half of each log;
 * the whole run again on a virtual clock; throughput and median latency of the second half's requests compared.
 */
import { stream } from "../core/random.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { batchings } from "../serve/batching.ts";
import { kvCaches } from "../serve/kv-cache.ts";
import type { LogLine } from "../serve/log.ts";
import { openService } from "../serve/service.ts";
import { speculations } from "../serve/speculation.ts";
import { fit } from "../sim/pass-cost.ts";
import { requestsOf } from "../sim/replay.ts";
import { serveMetrics } from "../sim/serve-metrics.ts";
import { simulate } from "../sim/simulate.ts";
import { gemmaFile } from "../test/gemma.ts";
import { row } from "./terms.ts";

interface Load {
  readonly requests: number;
  readonly gapSeconds: number;
  readonly burst: number;
  readonly prompt: readonly [number, number];
  readonly output: readonly [number, number];
}

const loads: Readonly<Record<string, Load>> = {
  steady: { requests: 60, gapSeconds: 0.5, burst: 1, prompt: [20, 200], output: [16, 64] },
  bursty: { requests: 60, gapSeconds: 3, burst: 8, prompt: [20, 200], output: [16, 64] },
  // Arrives faster than it can be served: the queue grows to the end.
  "long-prompt, saturated": { requests: 60, gapSeconds: 0.15, burst: 1, prompt: [200, 900], output: [16, 64] },
};

const ids = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "none" };

export async function run(): Promise<void> {
  const checkpoint = await openCheckpoint(gemmaFile);
  const runner = await loadRunner(checkpoint, { threads: 2 });
  for (const [name, load] of Object.entries(loads)) {
    const log: LogLine[] = [];
    const service = await openService({ checkpoint, runner, ...ids, observe: (line) => log.push(line) });
    await drive(service, load, runner.vocabulary);
    const { header } = service;
    await service.close();
    const half = log.slice(0, Math.floor(log.length / 2));
    const policies = {
      batching: await batchings.create(ids.batching),
      kvCache: await kvCaches.create(ids.kvCache),
      speculation: await speculations.create(ids.speculation),
    };
    const workload = { requests: requestsOf(log), acceptance: 0 };
    const priced = simulate({ ...header, ...policies, names: ids, cost: fit(half) }, workload);
    const [measured, simulated] = [secondHalf(log, header.blockSize), secondHalf(priced, header.blockSize)];
    for (const metric of ["throughput", "latencyMedian"]) {
      const deviation = simulated[metric]! / measured[metric]! - 1;
      row({ name, metric, measured: measured[metric], simulated: simulated[metric], deviation, ...ids });
    }
  }
  await runner.close();
  checkpoint.close();
}

async function drive(service: Awaited<ReturnType<typeof openService>>, load: Load, vocabulary: number): Promise<void> {
  const random = stream(42);
  const between = ([from, to]: readonly [number, number]): number => from + Math.floor(random() * (to - from + 1));
  const running: Promise<void>[] = [];
  for (let i = 0; i < load.requests; i++) {
    if (i % load.burst === 0) {
      const seconds = Math.min(3 * load.gapSeconds, -Math.log(1 - random()) * load.gapSeconds);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    }
    const prompt = Array.from({ length: between(load.prompt) }, () => Math.floor(random() * vocabulary));
    const sampling = { temperature: 0, seed: i };
    const request = { prompt, choices: 1, tokensMax: between(load.output), sampling, stop: [], ignoreEos: true };
    running.push(
      (async () => {
        for await (const event of service.generate(request)) if (event.kind === "end") return;
      })(),
    );
  }
  await Promise.all(running);
}

/** Metrics of the requests that arrived in the second half. */
function secondHalf(log: readonly LogLine[], blockSize: number): Readonly<Record<string, number>> {
  const arrivals = log.filter((line) => line.kind === "arrive").map((line) => line.request.id);
  const late = new Set(arrivals.slice(Math.floor(arrivals.length / 2)));
  return serveMetrics(
    log.flatMap((line): LogLine[] => {
      if (line.kind === "arrive") return late.has(line.request.id) ? [line] : [];
      if (line.kind === "done") return [{ ...line, produced: line.produced.filter((p) => late.has(p.request)) }];
      return line.kind === "pass" ? [line] : [];
    }),
    blockSize,
  );
}
