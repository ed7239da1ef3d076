/** The real engine on compiled kernels and the fixture model, for tests that need both. */
import { fileURLToPath } from "node:url";
import { stream } from "../core/random.ts";
import type { Checkpoint } from "../model/checkpoint.ts";
import { type Loaded, type LoadOptions, loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import type { GenerationRequest } from "../serve/generation.ts";
import type { LogLine } from "../serve/log.ts";
import { openService, type RunningService, type ServiceOptions } from "../serve/service.ts";

export const noiseModel = fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url));

export interface Model {
  readonly checkpoint: Checkpoint;
  readonly runner: Loaded;
  close(): Promise<void>;
}

export async function openModel(options: LoadOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(noiseModel);
  const runner = await loadRunner(checkpoint, { threads: 2, blocks: 64, ...options });
  return {
    checkpoint,
    runner,
    async close() {
      await runner.close();
      checkpoint.close();
    },
  };
}

/** A mixture: greedy and sampled, one and several choices, prompts that share beginnings, with and without penalties. */
export function mixedRequests(count: number, vocabulary: number, seed: number): GenerationRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const random = stream(seed, i);
    const shared = stream(seed, 1000 + (i % 3));
    const common = Array.from({ length: 33 }, () => Math.floor(shared() * vocabulary));
    const own = Array.from({ length: 3 + Math.floor(random() * 40) }, () => Math.floor(random() * vocabulary));
    const greedy = i % 2 === 0;
    return {
      prompt: i % 4 === 3 ? own : [...common, ...own],
      choices: i % 5 === 4 ? 3 : 1,
      tokensMax: 4 + Math.floor(random() * 24),
      sampling: {
        temperature: greedy ? 0 : 0.9,
        seed: i,
        ...(i % 3 === 1 && { topK: 20, topP: 0.9 }),
        ...(i % 7 === 5 && { presencePenalty: 0.5, repetitionPenalty: 1.2 }),
      },
      stop: [],
      ignoreEos: true,
    };
  });
}

/** Tokens of each choice. */
export async function collect(service: RunningService, request: GenerationRequest): Promise<number[][]> {
  const tokens = Array.from({ length: request.choices }, () => [] as number[]);
  for await (const event of service.generate(request)) {
    if (event.kind === "token") tokens[event.choice]!.push(event.token);
  }
  return tokens;
}

/** Opens a service, runs `work`, and requires every block to have come back. */
export async function withService<T>(
  model: Model,
  options: Omit<ServiceOptions, "checkpoint" | "runner">,
  work: (service: RunningService, log: readonly LogLine[]) => Promise<T>,
): Promise<T> {
  const log: LogLine[] = [];
  const service = await openService({ ...model, ...options, observe: (line) => log.push(line) });
  try {
    const result = await work(service, log);
    await service.drain();
    service.check();
    const { blocksUsed } = service.status();
    if (blocksUsed !== 0) throw new Error(`${blocksUsed} blocks did not come back`);
    return result;
  } finally {
    await service.close();
  }
}
