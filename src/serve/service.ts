/**
 * The engine as a service: requests of tokens in, streams of events out, on the wall clock and a real model.
 *
 *     generate ──► queue ──► engine ──► model-executor ──► delivery ──► reader
 */
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { UserError } from "../core/errors.ts";
import type { Runner } from "../model/runner.ts";
import { WallClock } from "../time/wall-clock.ts";
import { batchings } from "./batching.ts";
import { Delivery } from "./delivery.ts";
import { Engine } from "./engine.ts";
import { type Generation, type GenerationRequest, QueueFull, type Service, type ServiceStatus } from "./generation.ts";
import { kvCaches } from "./kv-cache.ts";
import type { LogHeader, LogLine } from "./log.ts";
import { ModelExecutor } from "./model-executor.ts";
import { speculations } from "./speculation.ts";

export interface ServiceOptions {
  readonly checkpoint: Service["checkpoint"];
  readonly runner: Runner;
  /** A smaller model of the same vocabulary, whose cache has as many blocks. */
  readonly draft?: Runner;
  readonly batching: string;
  readonly kvCache: string;
  readonly speculation: string;
  /** Policies that are made already, in place of those that the names and options would make. */
  readonly policies?: Policies;
  /** By slot: `{ "kv-cache": { swap: 1 } }`. */
  readonly options?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Requests that may wait. */
  readonly queueMax?: number;
  /** Blocks of the arena that requests are swapped to. */
  readonly swapBlocks?: number;
  /** A file for the log of decisions, one JSON document a line. */
  readonly record?: string;
  /** Called with each line of the log. */
  readonly observe?: (line: LogLine) => void;
}

export interface RunningService extends Service {
  /** Fails unless every cache block is where the books say. */
  check(): void;
  readonly header: LogHeader;
}

const defaults = { queueMax: 512, swapShare: 0.25 };

export async function openService(given: ServiceOptions): Promise<RunningService> {
  const options = given.options ?? {};
  const policies = given.policies ?? (await createPolicies(given));
  const { runner, draft } = given;
  const shared = Math.min(runner.blocks, draft?.blocks ?? runner.blocks);
  // Embeddings run between passes, in blocks that no table ever holds.
  const reserved = Math.min(Math.ceil(runner.context / runner.blockSize), Math.floor(shared / 4));
  const blocks = shared - reserved;
  const header: LogHeader = {
    kind: "header",
    batching: given.batching,
    kvCache: given.kvCache,
    speculation: given.speculation,
    options,
    blocks,
    blockSize: runner.blockSize,
    swapBlocks: given.swapBlocks ?? Math.floor(blocks * defaults.swapShare),
    limits: { tokens: runner.tokensMax, sequences: Math.min(runner.sequencesMax, runner.rowsMax) },
  };
  return new EngineService(given, header, policies);
}

async function createPolicies({ options = {}, ...given }: ServiceOptions): Promise<Policies> {
  const [batching, kvCache, speculation] = await Promise.all([
    batchings.create(given.batching, options.batching),
    kvCaches.create(given.kvCache, options["kv-cache"]),
    speculations.create(given.speculation, options.speculation),
  ]);
  return { batching, kvCache, speculation };
}

type Policies = Pick<ConstructorParameters<typeof Engine>[0], "batching" | "kvCache" | "speculation">;

class EngineService implements RunningService {
  readonly checkpoint: Service["checkpoint"];
  readonly context: number;
  readonly header: LogHeader;
  readonly #runner: Runner;
  readonly #engine: Engine;
  readonly #executor: ModelExecutor;
  readonly #deliveries = new Map<number, Delivery>();
  readonly #queueMax: number;
  readonly #reserved: readonly number[];
  readonly #record: number | undefined;
  readonly #counts = { prefixHits: 0, prefixQueries: 0, draftsProposed: 0, draftsAccepted: 0 };
  #next = 0;
  #draining = false;
  #failure: unknown;
  #idle: (() => void)[] = [];

  constructor(given: ServiceOptions, header: LogHeader, policies: Policies) {
    const { checkpoint, runner, draft } = given;
    this.checkpoint = checkpoint;
    this.header = header;
    this.#runner = runner;
    this.context = Math.min(runner.context, draft?.context ?? runner.context, header.blocks * header.blockSize);
    this.#queueMax = given.queueMax ?? defaults.queueMax;
    this.#reserved = Array.from({ length: runner.blocks - header.blocks }, (_, i) => header.blocks + i);
    this.#record = given.record === undefined ? undefined : openSync(given.record, "w");
    if (this.#record !== undefined) writeSync(this.#record, `${JSON.stringify(header)}\n`);
    this.#executor = new ModelExecutor({
      runner,
      draft,
      speculation: policies.speculation,
      tokenizer: checkpoint.tokenizer,
      swapBlocks: header.swapBlocks,
      failed: (error) => this.#fail(error),
    });
    this.#engine = new Engine({
      ...header,
      ...policies,
      clock: new WallClock(),
      names: { batching: header.batching, kvCache: header.kvCache, speculation: header.speculation },
      executor: {
        start: (pass, done) => this.#executor.start(pass, done),
        forget: (id) => this.#forget(id),
      },
      log: (line) => this.#log(line, given.observe),
    });
  }

  #log(line: LogLine, observe: ServiceOptions["observe"]): void {
    if (this.#record !== undefined) writeSync(this.#record, `${JSON.stringify(line)}\n`);
    observe?.(line);
    if (line.kind === "pass") {
      for (const id of line.admitted) this.#found(id, line.pass.sequences.find((s) => s.request === id)?.start ?? 0);
    } else if (line.kind === "done") {
      for (const { drafted, tokens } of line.produced) {
        this.#counts.draftsProposed += drafted;
        this.#counts.draftsAccepted += Math.min(drafted, tokens - 1);
      }
    }
  }

  /** Prompt tokens that a newly admitted request found in the cache. */
  #found(id: number, start: number): void {
    const delivery = this.#deliveries.get(id);
    if (delivery === undefined || delivery.counted) return;
    delivery.counted = true;
    delivery.cachedTokens = start;
    this.#counts.prefixQueries += delivery.promptTokens;
    this.#counts.prefixHits += start;
  }

  roomFor(promptTokens: number, choices: number): number {
    return this.#engine.roomFor(promptTokens, choices, this.context - promptTokens);
  }

  generate(request: GenerationRequest): Generation {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#draining) throw new UserError("The server is shutting down.", "Ask another, or this one later.");
    const room = this.context - request.prompt.length;
    if (request.prompt.length === 0) throw new UserError("The prompt has no tokens.", "Send at least one.");
    if (room < 1) {
      throw new UserError(
        `The prompt has ${request.prompt.length} tokens; the context is ${this.context}.`,
        "Shorten it, or serve with a longer --context.",
      );
    }
    if (this.#engine.waiting >= this.#queueMax) throw new QueueFull(1);
    const id = this.#next++;
    const bounded = { ...request, tokensMax: Math.min(request.tokensMax, room) };
    const delivery = new Delivery(bounded, this.checkpoint.tokenizer, () => this.#engine.cancel(id));
    this.#deliveries.set(id, delivery);
    this.#executor.register(id, bounded, delivery);
    try {
      this.#engine.submit({
        id,
        promptTokens: request.prompt.length,
        tokensMax: bounded.tokensMax,
        choices: request.choices,
        hashes: chainedHashes(request.prompt, this.#runner.blockSize, request.adapter),
      });
    } catch (error) {
      this.#forget(id);
      throw error;
    }
    return delivery;
  }

  #forget(id: number): void {
    this.#executor.forget(id);
    this.#deliveries.delete(id);
    if (this.#deliveries.size === 0) for (const wake of this.#idle.splice(0)) wake();
  }

  /** The model cannot run: everything that waits is told, and so is whoever comes. */
  #fail(error: unknown): void {
    this.#failure = error;
    for (const delivery of this.#deliveries.values()) delivery.fail(error);
    this.#deliveries.clear();
    for (const wake of this.#idle.splice(0)) wake();
  }

  async embed(tokens: readonly number[]): Promise<Float32Array> {
    const most = Math.min(this.#runner.context, this.#reserved.length * this.#runner.blockSize);
    if (tokens.length === 0 || tokens.length > most) {
      throw new UserError(
        `An embedding of ${tokens.length} tokens was asked for; 1 to ${most} can be had.`,
        "Shorten the text.",
      );
    }
    return this.#executor.between(() => this.#runner.embed(tokens, this.#reserved));
  }

  status(): ServiceStatus {
    const { running, waiting, pool, preemptions } = this.#engine;
    return { running, waiting, blocksUsed: pool.used, blocksTotal: pool.blocks, preemptions, ...this.#counts };
  }

  check(): void {
    this.#engine.check();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#deliveries.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Cancels what still runs, and returns once no pass does. The runner stays open: it is the caller's. */
  async close(): Promise<void> {
    this.#draining = true;
    for (const delivery of [...this.#deliveries.values()]) delivery.cancel();
    if (this.#failure === undefined) await this.#executor.between(async () => {});
    if (this.#record !== undefined) closeSync(this.#record);
  }
}

/** One hash for each whole block, of all tokens up to its end: equal hashes mean equal prefixes under equal weights. */
export function chainedHashes(tokens: readonly number[], blockSize: number, adapter = ""): string[] {
  const hashes: string[] = [];
  let previous = adapter;
  for (let end = blockSize; end <= tokens.length; end += blockSize) {
    const block = Int32Array.from(tokens.slice(end - blockSize, end));
    const hash = createHash("sha256").update(previous).update(new Uint8Array(block.buffer));
    previous = hash.digest("hex").slice(0, 24);
    hashes.push(previous);
  }
  return hashes;
}
