/**
 * Gemma 3 270M against llama.cpp: greedy continuations in exact mode, perplexity in both modes (its tokens are tested beside the
 * tokenizer). The fixtures were made by `bench/peers/gemma-fixtures.py`.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { perplexity } from "../model/perplexity.ts";
import { openService } from "../serve/service.ts";
import { gemmaFile, gemmaSkip } from "./gemma.ts";

const fixtures = new URL("../../fixtures/gemma-3-270m/", import.meta.url);
const read = (name: string) => JSON.parse(readFileSync(new URL(name, fixtures), "utf8"));
const text = "/usr/share/common-licenses/GPL-3";

interface Continuation {
  readonly prompt: string;
  readonly promptIds: readonly number[];
  readonly tokens: readonly number[];
  readonly margins: readonly number[];
}

describe("Gemma 3 270M against llama.cpp", { skip: gemmaSkip }, () => {
  let checkpoint: Checkpoint;
  before(async () => {
    checkpoint = await openCheckpoint(gemmaFile);
  });
  after(() => checkpoint?.close());

  describe("exact mode", () => withRunner(true));
  describe("default mode", () => withRunner(false));

  function withRunner(exact: boolean): void {
    let runner: Loaded;
    before(async () => {
      runner = await loadRunner(checkpoint, { exact, context: 1024, blocks: 300 });
    });
    after(() => runner?.close());

    if (exact) test("greedy continuations of 20 prompts", () => continuations(runner));
    test("perplexity of a licence", async () => {
      const { f32 } = read("perplexity.json").runs as { f32: { perplexity: number } };
      const tokens = checkpoint.tokenizer.encode(readFileSync(text, "utf8"));
      const result = await perplexity(runner, tokens, { context: 512, bos: checkpoint.tokenizer.bos });
      const deviation = Math.abs(result.perplexity / f32.perplexity - 1);
      const bound = exact ? 0.001 : 0.005;
      assert.ok(
        deviation < bound,
        `${result.perplexity}, llama.cpp's F32 ${f32.perplexity}: off by ${(100 * deviation).toFixed(3)} %`,
      );
    });
  }

  async function continuations(runner: Loaded): Promise<void> {
    const service = await openService({
      checkpoint,
      runner,
      batching: "chunked-prefill",
      kvCache: "pagedattention",
      speculation: "none",
    });
    await Promise.all(
      (read("greedy.json") as Continuation[]).map(async ({ prompt, promptIds, tokens, margins }) => {
        assert.deepEqual(checkpoint.tokenizer.encode(prompt), promptIds);
        const sampling = { temperature: 0, seed: 0 };
        const request = {
          prompt: promptIds,
          choices: 1,
          tokensMax: tokens.length,
          sampling,
          stop: [],
          ignoreEos: false,
        };
        const produced: number[] = [];
        for await (const event of service.generate(request)) if (event.kind === "token") produced.push(event.token);
        // Where the oracle's two best are this close, the order of its sums decides, and all that follows hangs on it.
        const close = margins.findIndex((margin) => margin < 0.005);
        const compared = close === -1 ? tokens.length : close;
        assert.deepEqual(produced.slice(0, compared), tokens.slice(0, compared), JSON.stringify(prompt));
      }),
    );
    service.check();
    await service.close();
  }
});
