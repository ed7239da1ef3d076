/**
 * Every combination of batching, cache and speculation, on the real engine and compiled kernels: what a request gets is what it
 * gets alone, whatever shares its batch, however its prompt is cut, whoever is preempted; blocks come back; and the log,
 * replayed in virtual time, is equal.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { firstDifference, replay } from "../sim/replay.ts";
import { collect, type Model, mixedRequests, openModel, withService } from "../test/serve-rig.ts";
import { batchings } from "./batching.ts";
import { kvCaches } from "./kv-cache.ts";
import type { ServiceOptions } from "./service.ts";
import { speculations } from "./speculation.ts";

let model: Model;
let draft: Model;
let alone: number[][][];
const count = 14;

before(async () => {
  model = await openModel({ blocks: 34, context: 128 });
  draft = await openModel({ blocks: 34, context: 128, exact: true });
  const requests = mixedRequests(count, model.runner.vocabulary, 1);
  alone = await withService(
    model,
    { batching: "orca", kvCache: "contiguous", speculation: "none" },
    async (service) => {
      const results: number[][][] = [];
      for (const request of requests) results.push(await collect(service, request));
      return results;
    },
  );
});
after(async () => {
  await model?.close();
  await draft?.close();
});

const variants: Readonly<Record<string, readonly NonNullable<ServiceOptions["options"]>[]>> = {
  static: [{}],
  orca: [{}],
  "chunked-prefill": [{}, { batching: { tokenBudget: 7 } }],
  contiguous: [{}],
  pagedattention: [{}, { "kv-cache": { sharePrefixes: 0 } }, { "kv-cache": { swap: 1 } }],
  none: [{}],
  "speculative-decoding": [{}],
};

for (const batching of batchings.ids()) {
  for (const kvCache of kvCaches.ids()) {
    for (const speculation of speculations.ids()) {
      test(`${batching} × ${kvCache} × ${speculation}`, async () => {
        for (const a of variants[batching] ?? [{}]) {
          for (const b of variants[kvCache] ?? [{}])
            await combination({ batching, kvCache, speculation, options: { ...a, ...b } });
        }
      });
    }
  }
}

async function combination(
  ids: Pick<ServiceOptions, "batching" | "kvCache" | "speculation" | "options">,
): Promise<void> {
  const requests = mixedRequests(count, model.runner.vocabulary, 1);
  const { header, log } = await withService(model, { ...ids, swapBlocks: 20 }, async (service, lines) => {
    const results = await Promise.all(requests.map((request) => collect(service, request)));
    for (const [i, result] of results.entries())
      assert.deepEqual(result, alone[i], `request ${i} of ${JSON.stringify(ids)}`);
    return { header: service.header, log: lines };
  });
  const policies = {
    batching: await batchings.create(ids.batching, ids.options?.batching),
    kvCache: await kvCaches.create(ids.kvCache, ids.options?.["kv-cache"]),
    speculation: await speculations.create(ids.speculation, ids.options?.speculation),
  };
  const recorded = JSON.parse(JSON.stringify(log));
  assert.equal(firstDifference(replay(header, policies, recorded), recorded), undefined);
}

test("the matrix does preempt, by recomputation and by swap, share prefixes and copy on write", async () => {
  const seen = { recompute: 0, swap: 0, shared: 0, copies: 0 };
  for (const swap of [0, 1]) {
    const ids = { batching: "orca", kvCache: "pagedattention", speculation: "none", options: { "kv-cache": { swap } } };
    await withService(model, { ...ids, swapBlocks: 20 }, async (service, log) => {
      await Promise.all(mixedRequests(count, model.runner.vocabulary, 1).map((request) => collect(service, request)));
      for (const line of log) {
        if (line.kind !== "pass") continue;
        for (const { how } of line.preempted) seen[how]++;
        seen.copies += line.pass.copies.length;
      }
      seen.shared += service.status().prefixHits;
    });
  }
  for (const [what, times] of Object.entries(seen)) assert.ok(times > 0, `${what} never happened`);
});

test("a draft model changes no greedy token, and its guesses are accepted", async () => {
  const ids = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "speculative-decoding" };
  const requests = mixedRequests(count, model.runner.vocabulary, 1);
  await withService(model, { ...ids, draft: draft.runner, swapBlocks: 20 }, async (service) => {
    const results = await Promise.all(requests.map((request) => collect(service, request)));
    for (const [i, result] of results.entries()) {
      assert.deepEqual(
        result.map((r) => r.length),
        alone[i]!.map((r) => r.length),
      );
      if (requests[i]!.sampling.temperature === 0) assert.deepEqual(result, alone[i], `request ${i}`);
    }
    const { draftsProposed, draftsAccepted } = service.status();
    assert.ok(draftsAccepted > draftsProposed / 4, `${draftsAccepted} of ${draftsProposed}`);
  });
});

test("clients that leave at any moment free their blocks, and change nothing for the others", async () => {
  for (const kvCache of kvCaches.ids()) {
    const requests = mixedRequests(count, model.runner.vocabulary, 1);
    await withService(model, { batching: "chunked-prefill", kvCache, speculation: "none" }, async (service, log) => {
      await Promise.all(
        requests.map(async (request, i) => {
          if (i % 3 !== 0) return assert.deepEqual(await collect(service, request), alone[i]);
          const generation = service.generate(request);
          let left = i % 4;
          if (left === 0) return generation.cancel();
          for await (const event of generation) if (event.kind === "token" && --left === 0) break;
        }),
      );
      assert.ok(log.some((line) => line.kind === "cancel"));
    });
  }
});
