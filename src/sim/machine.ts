/**
 * The real engine on compiled kernels and a small model, for claims that count.
 *
 * Time is counted, not measured: a pass takes 1, whatever the machine. A request arrives when so many passes have run that
 * its second of the workload is over, and an answer ends at the workload's length, so two runs are equal to the last line.
 */
import { fileURLToPath } from "node:url";
import { assert } from "../core/errors.ts";
import { stream } from "../core/random.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import type { ConstraintState, GenerationRequest } from "../serve/generation.ts";
import type { LogHeader, LogLine } from "../serve/log.ts";
import { openService, type RunningService } from "../serve/service.ts";
import type { Setup } from "./simulate.ts";
import type { SimulatedRequest, Workload } from "./workload.ts";

const model = fileURLToPath(new URL("../../fixtures/noise.gguf", import.meta.url));

export type Policies = Pick<Setup, "batching" | "kvCache" | "speculation" | "names">;

export interface MachineRun {
  readonly header: LogHeader;
  /** Its times are passes. */
  readonly log: readonly LogLine[];
  /** By request and choice, what the model wrote. */
  readonly tokens: readonly (readonly number[][])[];
}

/**
 * Runs a workload's requests, greedily where they ask for one choice, with random prompts of its lengths and its number of
 * cache blocks. The model runs in f32, and its int8 version drafts for it: a guess that is usually right, as a good draft
 * model's is.
 */
export async function runOnMachine(policies: Policies, limits: Setup["limits"], load: Workload): Promise<MachineRun> {
  const context = Math.max(...load.requests.map(({ arrival }) => arrival.promptTokens + arrival.tokensMax));
  // The service keeps a quarter of small caches for embeddings, or one whole context.
  const blocks = load.blocks + Math.min(Math.ceil(context / 16), Math.floor(load.blocks / 3));
  const sizes = { threads: 1, blocks, context, tokensMax: limits.tokens, rowsMax: limits.sequences };
  const options = { ...sizes, sequencesMax: limits.sequences };
  const checkpoint = await openCheckpoint(model);
  const drafts = policies.speculation.lookup !== undefined;
  const runner = await loadRunner(checkpoint, { ...options, exact: true });
  const draft = drafts ? await loadRunner(checkpoint, options) : undefined;
  const passes = new PassTime(load);
  const given = { checkpoint, runner, ...(draft && { draft }), ...policies.names };
  const service = await openService({ ...given, policies, observe: (line) => passes.observe(line) });
  try {
    assert(service.header.blocks === load.blocks, () => `${service.header.blocks} blocks, not ${load.blocks}`);
    const tokens = Promise.all(
      load.requests.map(async (request, i) => {
        await passes.arrivals[i]!.comes;
        return collect(service, request);
      }),
    );
    passes.begin();
    const run = { header: service.header, log: passes.log, tokens: await tokens };
    service.check();
    return run;
  } finally {
    await service.close();
    await runner.close();
    await draft?.close();
    checkpoint.close();
  }
}

/** Counts passes, lets requests arrive when their time has come, and writes the log in that time. */
class PassTime {
  readonly log: LogLine[] = [];
  readonly arrivals: readonly { readonly at: number; readonly comes: Promise<void>; readonly come: () => void }[];
  #now = 0;
  #next = 0;
  #running = false;

  constructor({ requests, secondsPerPass }: Workload) {
    this.arrivals = requests.map(({ at }) => {
      let come = () => {};
      const comes = new Promise<void>((resolve) => {
        come = resolve;
      });
      return { at: at / secondsPerPass, comes, come };
    });
  }

  /** Nothing runs: time goes on to the next arrival. */
  begin(): void {
    const first = this.arrivals[this.#next];
    if (first === undefined) return;
    this.#now = Math.max(this.#now, first.at);
    this.#arriveUntil(this.#now);
  }

  /** All that arrive before a pass ends are in the queue when the next one is put together. */
  observe(line: LogLine): void {
    if (line.kind === "done") this.#now++;
    // Requests are numbered in the order in which they come.
    const at = line.kind === "arrive" ? this.arrivals[line.request.id]!.at : this.#now;
    this.log.push({ ...line, at });
    if (line.kind === "pass") {
      this.#running = true;
      this.#arriveUntil(this.#now + 1);
    } else if (line.kind === "done") {
      this.#running = false;
      queueMicrotask(() => {
        if (!this.#running) this.begin();
      });
    }
  }

  #arriveUntil(time: number): void {
    for (; (this.arrivals[this.#next]?.at ?? Number.POSITIVE_INFINITY) <= time; this.#next++) {
      this.arrivals[this.#next]!.come();
    }
  }
}

/** Blocks of equal hashes hold equal tokens. */
function promptOf({ arrival: { id, promptTokens, hashes } }: SimulatedRequest, vocabulary: number): number[] {
  const tail = promptTokens - 16 * hashes.length;
  const write = (random: () => number, length: number) =>
    Array.from({ length }, () => Math.floor(random() * vocabulary));
  const blocks = hashes.map((hash) => write(stream(...[...hash].map((c) => c.charCodeAt(0))), 16));
  return [...blocks.flat(), ...write(stream(id), tail)];
}

/** A text that ends after `tokens` tokens, and neither sooner nor later: how long an answer is, is the workload's to say. */
const lengthOf = (tokens: number): ConstraintState => ({
  advance: () => (tokens === 0 ? undefined : lengthOf(tokens - 1)),
  complete: tokens === 0,
  closed: tokens === 0,
});

async function collect(service: RunningService, request: SimulatedRequest): Promise<number[][]> {
  const { arrival, outputTokens } = request;
  const { id, tokensMax, choices } = arrival;
  const asked: GenerationRequest = {
    prompt: promptOf(request, service.checkpoint.tokenizer.vocabulary),
    choices,
    tokensMax,
    sampling: { temperature: choices > 1 ? 1 : 0, seed: id },
    stop: [],
    ignoreEos: true,
    ...(outputTokens < tokensMax && { constraint: lengthOf(outputTokens) }),
  };
  const tokens = Array.from({ length: choices }, () => [] as number[]);
  for await (const event of service.generate(asked)) {
    if (event.kind === "token") tokens[event.choice]!.push(event.token);
  }
  return tokens;
}
