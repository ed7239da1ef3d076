/**
 * How near simulation is to the machine: three loads on Gemma 3 270M, recorded; pass costs fitted on the first half of each log;
 * the whole run again on a virtual clock; throughput and median latency of the second half's requests compared.
 */
import { stream } from "../core/random.ts";
import { median } from "../core/statistics.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, loadRunner } from "../model/load.ts";
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
import { watch } from "./machine.ts";
import type { Bench } from "./terms.ts";

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

/** A neighbour on the machine slows one half of a run, or one repeat; the median of the deviations forgets it. */
const repeatsMin = 3;
const metrics = ["throughput", "latencyMedian"] as const;

interface Measured {
  readonly measured: Readonly<Record<string, number>>;
  readonly simulated: Readonly<Record<string, number>>;
}

export async function run(bench: Bench): Promise<void> {
  const checkpoint = await openCheckpoint(gemmaFile);
  const runner = await loadRunner(checkpoint, { threads: 2 });
  const repeats = bench.quick ? bench.repeat : Math.max(repeatsMin, Math.min(bench.repeat, 5));
  for (const [name, load] of Object.entries(bench.quick ? { steady: { ...loads.steady!, requests: 8 } } : loads)) {
    const deviations: Record<string, number[]> = {};
    for (let repeat = 1; repeat <= repeats; repeat++) {
      const disturbed = watch();
      const { measured, simulated } = await once(checkpoint, runner, load);
      const during = disturbed();
      for (const metric of metrics) {
        const deviation = simulated[metric]! / measured[metric]! - 1;
        (deviations[metric] ??= []).push(deviation);
        const both = { measured: measured[metric], simulated: simulated[metric], deviation };
        bench.note({ name: `fidelity ${name}`, metric, repeat, ...both, ...during });
      }
    }
    for (const metric of metrics) {
      const middle = median(deviations[metric]!);
      bench.note({ name: `fidelity ${name}, median`, metric, deviation: middle, repeats, ...ids });
    }
  }
  await runner.close();
  checkpoint.close();
}

/** One load on the machine, and its simulation with pass costs fitted on the first half of its log. */
async function once(checkpoint: Checkpoint, runner: Loaded, load: Load): Promise<Measured> {
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
  const workload = { requests: requestsOf(log), acceptance: 0, blocks: header.blocks };
  const priced = simulate({ ...header, ...policies, names: ids, cost: fit(half) }, workload);
  return { measured: secondHalf(log, header.blockSize), simulated: secondHalf(priced, header.blockSize) };
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
