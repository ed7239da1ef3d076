/** The engine where its policies are not the usual ones, a pass is narrow, or the runner fails. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../core/errors.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import type { Runner } from "../model/runner.ts";
import { createFakeService } from "../test/fake-service.ts";
import { hashRunner } from "../test/hash-runner.ts";
import { collect, noiseModel } from "../test/serve-rig.ts";
import { batchings } from "./batching.ts";
import { Engine } from "./engine.ts";
import { type GenerationRequest, NoNumbers } from "./generation.ts";
import { type KvCache, kvCaches } from "./kv-cache.ts";
import type { LogLine } from "./log.ts";
import { ModelExecutor } from "./model-executor.ts";
import { openService } from "./service.ts";
import { speculations } from "./speculation.ts";

const { checkpoint } = createFakeService();
const sizes = { blockSize: 4, vocabulary: 258, context: 64 };
const usual = { checkpoint, batching: "orca", kvCache: "pagedattention", speculation: "none" };
const request = (choices: number, prompt: readonly number[] = [1, 2, 3, 4, 5]) => ({
  prompt,
  choices,
  tokensMax: 12,
  sampling: { temperature: 1, seed: 5 },
  stop: [],
  ignoreEos: true,
});

test("more choices than a pass holds sequences take turns", { timeout: 60_000 }, async () => {
  for (const batching of ["static", "orca", "chunked-prefill"]) {
    const wide = await openService({ ...usual, runner: hashRunner({ ...sizes, blocks: 200, sequencesMax: 32 }) });
    const narrow = await openService({
      ...usual,
      batching,
      runner: hashRunner({ ...sizes, blocks: 200, sequencesMax: 4 }),
    });
    const [a, b] = await Promise.all([collect(narrow, request(9)), collect(narrow, request(2, [7, 8]))]);
    assert.deepEqual(a, await collect(wide, request(9)));
    assert.deepEqual(b, await collect(wide, request(2, [7, 8])));
    narrow.check();
    await wide.close();
    await narrow.close();
  }
});

test("without a word about blocks, whole contexts of a full pass are in the cache at once", async () => {
  const checkpoint = await openCheckpoint(noiseModel);
  const runner = await loadRunner(checkpoint, { threads: 2, context: 64 });
  const passes: Extract<LogLine, { kind: "pass" }>[] = [];
  const observe = (line: LogLine) => void (line.kind === "pass" && passes.push(line));
  const service = await openService({ ...usual, batching: "chunked-prefill", checkpoint, runner, observe });
  try {
    const prompt = (client: number) => Array.from({ length: 32 }, (_, i) => (7 * i + 3 * client) % 128);
    await Promise.all(
      Array.from({ length: 32 }, (_, i) => collect(service, { ...request(1, prompt(i)), tokensMax: 32 })),
    );
    assert.equal(Math.max(...passes.map((p) => p.pass.sequences.length)), 32);
    assert.equal(passes.flatMap((p) => p.preempted).length, 0);
  } finally {
    await service.close();
    await runner.close();
    checkpoint.close();
  }
});

test("what there is room for is served, and a token more for each choice is not", { timeout: 60_000 }, async () => {
  for (const kvCache of kvCaches.ids()) {
    const service = await openService({ ...usual, kvCache, runner: hashRunner({ ...sizes, blocks: 24 }) });
    for (const choices of [1, 2, 3, 5]) {
      const tokensMax = service.roomFor(5, choices);
      const results = await collect(service, { ...request(choices), tokensMax });
      for (const tokens of results) assert.equal(tokens.length, tokensMax);
      if (choices === 1) assert.equal(tokensMax, service.context - 5);
      else assert.throws(() => service.generate({ ...request(choices), tokensMax: tokensMax + 1 }), UserError);
    }
    assert.equal(service.roomFor(5, 100), 0);
    assert.throws(() => service.generate({ ...request(100), tokensMax: 1 }), /fewer tokens or choices/);
    service.check();
    await service.close();
  }
});

test("a pass that fails behind an embedding is a failure told to all, not a crash", { timeout: 60_000 }, async () => {
  const before = () => {
    throw new Error("the device is gone");
  };
  const service = await openService({ ...usual, runner: hashRunner({ ...sizes, blocks: 64, before }) });
  const embedding = service.embed([1, 2, 3]);
  await assert.rejects(collect(service, request(1)), /the device is gone/);
  await embedding;
  await service.close();
});

/** Rows of requests whose prompt begins with `first` hold no numbers from `position` on. */
function failing(first: number, position: number): Runner {
  const runner = hashRunner({ ...sizes, blocks: 64 });
  const step = runner.step.bind(runner);
  const starts = new Map<number, number>();
  runner.step = async (sequences) => {
    for (const { start, tokens, blocks } of sequences) if (start === 0) starts.set(blocks[0]!, tokens[0]!);
    const { rows } = await step(sequences);
    let row = 0;
    for (const { start, tokens, blocks, outputs } of sequences) {
      for (let i = 0; i < outputs; i++, row++) {
        const lost = starts.get(blocks[0]!) === first && start + tokens.length - outputs + i >= position;
        if (lost) for (const floats of Object.values(rows[row]!)) floats.fill(Number.NaN);
      }
    }
    return { rows };
  };
  return runner;
}

test("a request whose logits are no numbers fails alone; the others and those to come are served", {
  timeout: 60_000,
}, async () => {
  for (const speculation of speculations.ids()) {
    for (const [choices, position] of [
      [1, 4],
      [1, 7],
      [3, 4],
      [3, 7],
    ] as const) {
      const service = await openService({ ...usual, speculation, runner: failing(9, position) });
      const prompt = [9, 2, 3, 4, 5];
      const [bad, good] = await Promise.allSettled([
        collect(service, request(choices, prompt)),
        collect(service, request(2)),
      ]);
      assert.ok(bad.status === "rejected" && bad.reason instanceof NoNumbers, String(Object.values(bad)));
      assert.match(bad.reason.message, new RegExp(`token ${position + 2} of`));
      assert.equal(good.status, "fulfilled");
      assert.deepEqual(await collect(service, request(2)), good.value);
      service.check();
      await service.close();
    }
  }
});

/** What each choice gets on an engine whose kv-cache policy is given, all requests submitted at once. */
async function generateAll(requests: readonly GenerationRequest[], kvCache: KvCache, blocks: number) {
  const runner = hashRunner({ ...sizes, blocks });
  const speculation = await speculations.create("none");
  const swapBlocks = 12;
  const tokens = requests.map(({ choices }) => Array.from({ length: choices }, () => [] as number[]));
  let swaps = 0;
  await new Promise<void>((resolve, reject) => {
    const { tokenizer } = checkpoint;
    const executor = new ModelExecutor({
      runner,
      draft: undefined,
      speculation,
      tokenizer,
      swapBlocks,
      failed: reject,
    });
    let left = requests.length;
    const engine = new Engine({
      ...{ batching, kvCache, speculation, blocks, blockSize: sizes.blockSize, swapBlocks },
      names: { batching: "chunked-prefill", kvCache: "contrary", speculation: "none" },
      clock: { now: () => 0 },
      limits: { tokens: 64, sequences: 16 },
      executor: {
        start: (pass, done) => executor.start(pass, done),
        forget(id) {
          executor.forget(id);
          left--;
          if (left === 0) resolve();
        },
      },
      log(line) {
        if (line.kind === "pass" && line.pass.swapIn.length > 0 && line.pass.swapOut.length > 0) swaps++;
      },
    });
    for (const [id, r] of requests.entries()) {
      const emit = (choice: number, { token }: { readonly token: number }) =>
        tokens[id]![choice]!.push(token) === r.tokensMax;
      executor.register(id, r, { emit, refuse: reject });
      const { prompt, tokensMax, choices } = r;
      engine.submit({ id, promptTokens: prompt.length, tokensMax, choices, hashes: [] });
    }
  });
  return { tokens, swaps };
}
const batching = await batchings.create("chunked-prefill");

test("whoever is preempted, what a pass swaps out never lands on what it swaps in", { timeout: 60_000 }, async () => {
  const paged = await kvCaches.create("pagedattention", { swap: 1, watermark: 0 });
  const usualVictim = { ...paged };
  // The oldest of the others, so that requests restored in a pass are older than those that still grow in it.
  const contrary: KvCache = {
    ...paged,
    preempt(view, running, needy) {
      const others = running.filter((r) => r.id !== needy && r.blocks <= view.slotsFree);
      const victim = others[(needy + view.empty.size) % Math.max(1, others.length)];
      return victim === undefined ? { request: needy, how: "recompute" } : { request: victim.id, how: "swap" };
    },
  };
  let swaps = 0;
  for (let seed = 0; seed < 12; seed++) {
    const prompts = Array.from({ length: 8 }, (_, i) =>
      Array.from({ length: 3 + ((i * 5 + seed) % 11) }, (_, j) => i + j),
    );
    const requests = prompts.map((prompt, i) => ({
      ...request(i % 3 === 0 ? 2 : 1, prompt),
      tokensMax: 10 + (i % 4) * 4,
    }));
    const expected = await generateAll(requests, usualVictim, 200);
    const got = await generateAll(requests, contrary, 16 + (seed % 4));
    assert.deepEqual(got.tokens, expected.tokens, `seed ${seed}`);
    swaps += got.swaps;
  }
  assert.ok(swaps > 0, "no pass swapped both ways");
});
