/**
 * The engine under random policies, options, loads and departures, on a cache that notices every misuse: what is read was
 * written, by the sequence that reads it; each request gets what it gets alone; each block comes back; the log replays.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../core/errors.ts";
import { type Random, stream } from "../core/random.ts";
import { firstDifference, replay } from "../sim/replay.ts";
import { createFakeService } from "../test/fake-service.ts";
import { hashRunner } from "../test/hash-runner.ts";
import { collect } from "../test/serve-rig.ts";
import { batchings } from "./batching.ts";
import type { Generation, GenerationRequest } from "./generation.ts";
import { kvCaches } from "./kv-cache.ts";
import type { LogLine } from "./log.ts";
import { openService, type RunningService, type ServiceOptions } from "./service.ts";
import { speculations } from "./speculation.ts";

const { checkpoint } = createFakeService();
const sizes = { blockSize: 4, vocabulary: 258, context: 64 };
const seeds = Number(process.env.HEDDLE_FUZZ_ROUNDS ?? 60);

const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
const between = (random: Random, from: number, to: number): number => from + Math.floor(random() * (to - from + 1));

function requestOf(random: Random, seed: number, greedy: boolean): GenerationRequest {
  const shared = stream(between(random, 0, 1));
  const common = Array.from({ length: between(random, 0, 17) }, () => Math.floor(shared() * 256));
  const own = Array.from({ length: between(random, 1, 12) }, () => Math.floor(random() * 256));
  const temperature = greedy || random() < 0.4 ? 0 : 1;
  const sampling = {
    temperature,
    seed,
    ...(random() < 0.3 && { topK: 5 }),
    ...(random() < 0.3 && { presencePenalty: 2 }),
  };
  const choices = random() < 0.3 ? between(random, 2, 3) : 1;
  return {
    prompt: [...common, ...own],
    choices,
    tokensMax: between(random, 1, 28),
    sampling,
    stop: [],
    ignoreEos: false,
  };
}

/** Each request by itself, in a cache where nothing is shared and nothing is short. */
async function alone(requests: readonly GenerationRequest[]): Promise<number[][][]> {
  const ids = { batching: "orca", kvCache: "contiguous", speculation: "none" };
  const service = await openService({ checkpoint, runner: hashRunner({ ...sizes, blocks: 96 }), ...ids });
  const results: number[][][] = [];
  for (const request of requests) results.push(await collect(service, request));
  await service.close();
  return results;
}

type Setting = Pick<ServiceOptions, "batching" | "kvCache" | "speculation" | "options" | "swapBlocks" | "draft">;

function settingOf(random: Random, blocks: number): Setting {
  const batching = pick(random, batchings.ids());
  const kvCache = pick(random, kvCaches.ids());
  const speculation = pick(random, speculations.ids());
  const options = {
    batching: {
      batchMax: between(random, 1, 12),
      ...(batching === "chunked-prefill" && { tokenBudget: between(random, 1, 24) }),
    },
    "kv-cache": {
      ...(kvCache === "pagedattention" && { swap: between(random, 0, 1), sharePrefixes: between(random, 0, 1) }),
    },
  };
  const draft = speculation !== "none" && random() < 0.5 && { draft: hashRunner({ ...sizes, blocks, seed: 9 }) };
  return { batching, kvCache, speculation, options, swapBlocks: between(random, 0, 24), ...draft };
}

/** Takes part of it, or all, and gives what came. */
async function visit(
  service: RunningService,
  request: GenerationRequest,
  random: Random,
): Promise<number[][] | undefined> {
  for (let turns = between(random, 0, 30); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  let generation: Generation;
  try {
    if (random() < 0.75) return await collect(service, request);
    generation = service.generate(request);
  } catch (error) {
    // Some of these caches are smaller than some of these requests.
    if (error instanceof UserError) return undefined;
    throw error;
  }
  for (let turns = between(random, 0, 30); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  generation.cancel();
  return undefined;
}

async function round(seed: number): Promise<readonly LogLine[]> {
  const random = stream(20_261_121, seed);
  const blocks = between(random, 28, 64);
  const setting = settingOf(random, blocks);
  const requests = Array.from({ length: 10 }, (_, i) => requestOf(random, i, setting.draft !== undefined));
  const expected = await alone(requests);
  const log: LogLine[] = [];
  const tokensMax = between(random, 12, 48);
  const runner = hashRunner({ ...sizes, blocks, tokensMax, sequencesMax: between(random, 4, 16) });
  const service = await openService({ checkpoint, runner, ...setting, observe: (line) => log.push(line) });
  const results = requests.map((request, i) => visit(service, request, stream(seed, i)));
  const embedded = await service.embed([1, 2, 3, 4, 5]);
  for (const [i, result] of (await Promise.all(results)).entries()) {
    if (result !== undefined) assert.deepEqual(result, expected[i], `request ${i}`);
  }
  assert.equal(embedded.length, 4);
  await service.drain();
  service.check();
  assert.equal(service.status().blocksUsed, 0);
  await service.close();
  const policies = {
    batching: await batchings.create(setting.batching, setting.options?.batching),
    kvCache: await kvCaches.create(setting.kvCache, setting.options?.["kv-cache"]),
    speculation: await speculations.create(setting.speculation),
  };
  const recorded = JSON.parse(JSON.stringify(log));
  assert.equal(firstDifference(replay(service.header, policies, recorded), recorded), undefined);
  return log;
}

test(`${seeds} random loads on random engines`, { timeout: 60_000 }, async () => {
  const seen = { cancel: 0, recompute: 0, swap: 0, restored: 0, copies: 0, drafts: 0 };
  const only = process.env.HEDDLE_FUZZ_SEED;
  for (let seed = Number(only ?? 0); seed < (only === undefined ? seeds : Number(only) + 1); seed++) {
    const repeat = `repeat with HEDDLE_FUZZ_SEED=${seed} node --test dist/serve/engine-fuzz.test.js`;
    const log = await round(seed).catch((error: unknown) => assert.fail(`${repeat}\n${String(error)}`));
    for (const line of log) {
      if (line.kind === "cancel") seen.cancel++;
      if (line.kind !== "pass") continue;
      for (const { how } of line.preempted) seen[how]++;
      seen.restored += line.pass.swapIn.length;
      seen.copies += line.pass.copies.length;
      seen.drafts += line.pass.sequences.filter((s) => s.drafts > 0).length;
    }
  }
  if (only !== undefined) return;
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 0, `${what} never happened`);
});
