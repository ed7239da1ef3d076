/** The real engine on compiled kernels and a small model, for claims that count: passes, tokens, blocks. */
import { fileURLToPath } from "node:url";
import { stream } from "../core/random.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import type { LogLine } from "../serve/log.ts";
import { openService } from "../serve/service.ts";
import type { Workload } from "./workload.ts";

const model = fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url));
/** The slots' names as `openService` knows them. */
const names = { batching: "batching", kvCache: "kv-cache", speculation: "speculation" } as const;

/**
 * Sends the workload's requests at once, greedily, with random prompts of its lengths; gives the log. The model runs in f32, and
 * its int8 version drafts for it: a guess that is usually right, as a good draft model's is.
 */
export async function runOnMachine(
  ids: { readonly batching: string; readonly kvCache: string; readonly speculation: string },
  options: Readonly<Partial<Record<keyof typeof names, Readonly<Record<string, number>>>>>,
  { requests }: Workload,
): Promise<LogLine[]> {
  const log: LogLine[] = [];
  const checkpoint = await openCheckpoint(model);
  const runner = await loadRunner(checkpoint, { threads: 1, blocks: 256, exact: true });
  const draft = await loadRunner(checkpoint, { threads: 1, blocks: 256 });
  const bySlot = Object.fromEntries(Object.entries(options).map(([key, o]) => [names[key as keyof typeof names], o]));
  const service = await openService({
    checkpoint,
    runner,
    draft,
    ...ids,
    options: bySlot,
    observe: (line) => log.push(line),
  });
  try {
    const work = requests.map(async ({ arrival, outputTokens }) => {
      const random = stream(arrival.id);
      const room = service.context - 1;
      const length = Math.min(arrival.promptTokens, Math.floor(room / 2));
      const prompt = Array.from({ length }, () => Math.floor(random() * runner.vocabulary));
      const sampling = { temperature: 0, seed: arrival.id };
      const tokensMax = Math.min(outputTokens, room - length);
      for await (const event of service.generate({
        prompt,
        choices: 1,
        tokensMax,
        sampling,
        stop: [],
        ignoreEos: true,
      })) {
        if (event.kind === "end") break;
      }
    });
    await Promise.all(work);
    service.check();
  } finally {
    await service.close();
    await runner.close();
    await draft.close();
    checkpoint.close();
  }
  return log;
}
