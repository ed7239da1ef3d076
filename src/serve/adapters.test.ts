/** The engine with adapters: what is shared between requests is shared under equal weights only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openAdapter, withAdapters } from "../model/adapter.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { openService, type RunningService } from "./service.ts";

const fixture = (path: string): string => fileURLToPath(new URL(`../../fixtures/${path}`, import.meta.url));

async function answer(
  service: RunningService,
  adapter: string | undefined,
): Promise<{ readonly tokens: readonly number[]; readonly cached: number }> {
  const generation = service.generate({
    prompt: Array.from({ length: 40 }, (_, i) => 3 + ((i * 7) % 50)),
    choices: 1,
    tokensMax: 6,
    sampling: { temperature: 0, seed: 1 },
    stop: [],
    ignoreEos: true,
    ...(adapter !== undefined && { adapter }),
  });
  const tokens: number[] = [];
  for await (const event of generation) if (event.kind === "token") tokens.push(event.token);
  return { tokens, cached: generation.cachedTokens };
}

test("a prompt's cache serves requests of the same adapter, and batches mix adapters without a trace", async () => {
  const base = await openCheckpoint(fixture("architecture/llama/"));
  const all = await openAdapter(fixture("adapter/llama/all"), base);
  const attention = await openAdapter(fixture("adapter/llama/attention"), base);
  const checkpoint = withAdapters(
    base,
    new Map([
      ["all", all],
      ["attention", attention],
    ]),
  );
  const runner = await loadRunner(checkpoint, { threads: 2, tokensMax: 64, blocks: 64, context: 128 });
  const names = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "none" };
  const service = await openService({ checkpoint, runner, ...names });
  try {
    const models = [undefined, "all", "attention"];
    const alone = [];
    for (const model of models) {
      const first = await answer(service, model);
      assert.equal(first.cached, 0, `${model} began with another's cache`);
      const again = await answer(service, model);
      assert.ok(again.cached > 0, `${model} did not find its own cache`);
      assert.deepEqual(again.tokens, first.tokens);
      alone.push(first.tokens);
    }
    assert.equal(new Set(alone.map(String)).size, 3, "adapters that change nothing would test nothing");
    const mixed = await Promise.all(models.map((model) => answer(service, model)));
    assert.deepEqual(
      mixed.map(({ tokens }) => tokens),
      alone,
    );
    service.check();
  } finally {
    await service.close();
    await runner.close();
    checkpoint.close();
  }
});
