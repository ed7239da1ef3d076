/**
 * One HTTP request's generations: started together, counted from their events, cancelled when the client hangs up.
 *
 *     requests ──generate──► generations ──events──► each(choice, event) ──► usage, metrics
 */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Clock } from "../../time/clock.ts";
import type { Generation, GenerationEvent, GenerationRequest, Service } from "../generation.ts";
import { ApiError } from "./errors.ts";
import type { FinishedReason, Metrics } from "./metrics.ts";

/** What every endpoint is given. */
export interface Api {
  readonly service: Service;
  /** The name that requests must give. */
  readonly model: string;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly fingerprint: string;
  readonly stallSeconds: number;
  /** Called with what went wrong inside: an answer of 500 says nothing of it. */
  readonly report: (failure: unknown) => void;
}

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

type Each = (choice: number, event: GenerationEvent) => Promise<void> | undefined;

export interface Exchange {
  /** Hands over every event as it comes; `choice` counts over all requests. Throws what a generation throws. */
  consume(each: Each): Promise<void>;
  usage(): Usage;
}

export function newId(prefix: string): string {
  return `${prefix}-${randomBytes(12).toString("hex")}`;
}

/** Starts them all or none; a client that hangs up cancels them. */
export function startExchange(api: Api, requests: readonly GenerationRequest[], response: ServerResponse): Exchange {
  const arrived = api.clock.now();
  const runs: Run[] = [];
  const cancel = () => {
    for (const run of runs) run.generation.cancel();
  };
  let base = 0;
  try {
    for (const request of requests) {
      const generation = api.service.generate(request);
      runs.push({ generation, meter: new Meter(api, request, generation, arrived), base });
      base += request.choices;
    }
  } catch (failure) {
    cancel();
    throw failure;
  }
  let gone = false;
  const hangUp = () => {
    gone = true;
    cancel();
  };
  if (response.destroyed) hangUp();
  else response.once("close", hangUp);
  return {
    usage: () => usageOf(runs.map((run) => run.meter)),
    async consume(each) {
      const pumps = runs.map((run) => pump(run, each));
      try {
        await Promise.all(pumps);
        const ended = runs.every((run) => run.meter.complete);
        if (!ended && !gone) throw new ApiError(503, "The server is shutting down.", { code: "shutting_down" });
      } finally {
        response.off("close", hangUp);
        // Where one generation fails, the others are not left running for nobody.
        cancel();
        await Promise.allSettled(pumps);
        for (const run of runs) run.meter.finish();
      }
    },
  };
}

/** One generation; its first choice is the exchange's choice `base`. */
interface Run {
  readonly generation: Generation;
  readonly meter: Meter;
  readonly base: number;
}

function usageOf(meters: readonly Meter[]): Usage {
  const sum = (read: (meter: Meter) => number) => meters.reduce((total, meter) => total + read(meter), 0);
  const prompt = sum((m) => m.promptTokens);
  const completion = sum((m) => m.tokens);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum((m) => m.cachedTokens) },
  };
}

async function pump({ generation, meter, base }: Run, each: Each): Promise<void> {
  for await (const event of generation) {
    meter.see(event);
    // Awaiting nothing would still cost a turn of the microtask queue for each token.
    const pause = each(base + event.choice, event);
    if (pause !== undefined) await pause;
  }
}

/** Counts and times one generation by its events. */
class Meter {
  tokens = 0;
  readonly #api: Api;
  readonly #generation: Generation;
  readonly #arrived: number;
  readonly promptTokens: number;
  /** When each choice's last token came. */
  readonly #last: (number | undefined)[];
  readonly #reasons: (FinishedReason | undefined)[];

  constructor(api: Api, request: GenerationRequest, generation: Generation, arrived: number) {
    this.#api = api;
    this.#generation = generation;
    this.#arrived = arrived;
    this.promptTokens = request.prompt.length;
    this.#last = new Array(request.choices).fill(undefined);
    this.#reasons = new Array(request.choices).fill(undefined);
  }

  get cachedTokens(): number {
    return this.#generation.cachedTokens;
  }

  get complete(): boolean {
    return this.#reasons.every((reason) => reason !== undefined);
  }

  see(event: GenerationEvent): void {
    if (event.kind === "end") {
      this.#reasons[event.choice] = event.reason;
      return;
    }
    const now = this.#api.clock.now();
    const last = this.#last[event.choice];
    if (this.tokens === 0) this.#api.metrics.firstToken(now - this.#arrived);
    else if (last !== undefined) this.#api.metrics.nextToken(now - last);
    this.#last[event.choice] = now;
    this.tokens++;
  }

  finish(): void {
    this.#api.metrics.finished({
      promptTokens: this.promptTokens,
      generatedTokens: this.tokens,
      reasons: this.#reasons.map((reason) => reason ?? "abort"),
      latencySeconds: this.#api.clock.now() - this.#arrived,
    });
  }
}
