/** Named workloads: seeded arrivals with their output lengths, the same on every machine. */
import { nearest, UserError } from "../core/errors.ts";
import { type Random, stream } from "../core/random.ts";
import type { Arrival } from "../serve/log.ts";
import type { Seconds } from "../time/clock.ts";

export interface SimulatedRequest {
  readonly at: Seconds;
  readonly arrival: Arrival;
  /** Tokens after which each choice ends; what no policy may know. */
  readonly outputTokens: number;
}

export interface Workload {
  readonly requests: readonly SimulatedRequest[];
  /** The share of guesses that turn out right. */
  readonly acceptance: number;
  /** Cache blocks that the workload is meant for. */
  readonly blocks: number;
  /** Where time is counted in passes: how long one is. About what they take in simulation. */
  readonly secondsPerPass: number;
}

interface Shape {
  readonly count: number;
  /** Seconds between arrivals, on average; 0 is all at once. */
  readonly gapSeconds: number;
  readonly prompt: (random: Random) => number;
  readonly output: (random: Random) => number;
  /** Most tokens that a client asks for; without, it asks for just what is written. */
  readonly tokensMax?: number;
  readonly choices?: number;
  readonly burst?: number;
  readonly acceptance?: number;
  readonly blocks?: number;
  /** Leading blocks that requests share, by group. */
  readonly sharedBlocks?: number;
}

const between = (from: number, to: number) => (random: Random) => from + Math.floor(random() * (to - from + 1));
const exponential = (mean: number, most: number) => (random: Random) =>
  1 + Math.min(most - 1, Math.floor(-Math.log(1 - random()) * mean));

const shapes: Readonly<Record<string, Shape>> = {
  /** Chats at a rate that the machine can hold. */
  steady: { count: 120, gapSeconds: 0.8, prompt: between(20, 200), output: exponential(48, 256), tokensMax: 256 },
  /** The same in bursts of eight. */
  bursty: {
    count: 120,
    gapSeconds: 0.8,
    burst: 8,
    prompt: between(20, 200),
    output: exponential(48, 256),
    tokensMax: 256,
  },
  /** One prompt in eight is long enough to stall a decode. */
  "long-prompt": {
    count: 120,
    gapSeconds: 1,
    prompt: (random) => (random() < 1 / 8 ? 2000 : between(40, 160)(random)),
    output: between(24, 96),
    tokensMax: 96,
  },
  /** Answers of very different lengths, more requests than can be served at once. */
  varied: {
    count: 160,
    gapSeconds: 0.25,
    prompt: between(16, 48),
    output: exponential(48, 512),
    tokensMax: 512,
  },
  /** The same load with answers of one length. */
  even: { count: 160, gapSeconds: 0.25, prompt: between(16, 48), output: between(48, 48), tokensMax: 512 },
  /** A small cache, and limits on output far above what is written. */
  "memory-bound": {
    count: 160,
    gapSeconds: 0.02,
    prompt: between(32, 96),
    output: exponential(40, 400),
    tokensMax: 480,
    blocks: 128,
  },
  /** Four answers to each question, and a small cache. */
  "several-choices": {
    count: 48,
    gapSeconds: 0.02,
    prompt: between(100, 200),
    output: between(16, 48),
    choices: 4,
    blocks: 128,
  },
  /** What a draft model guesses well. */
  guessable: {
    count: 24,
    gapSeconds: 0.5,
    prompt: between(40, 80),
    output: between(40, 80),
    acceptance: 0.7,
  },
  /** Prompts that begin alike. */
  "shared-prefix": {
    count: 80,
    gapSeconds: 0.2,
    prompt: between(300, 360),
    output: between(16, 48),
    tokensMax: 48,
    sharedBlocks: 16,
  },
};

export const workloads = (): string[] => Object.keys(shapes);

/** Throws a `UserError` for a name that is none. */
export function workload(name: string, seed = 1): Workload {
  const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  if (shape === undefined) {
    const guess = nearest(name, workloads());
    throw new UserError(
      `No workload is called "${name}".`,
      guess ? `Did you mean "${guess}"?` : `There are: ${workloads().join(", ")}.`,
    );
  }
  const random = stream(seed);
  let at = 0;
  const requests = Array.from({ length: shape.count }, (_, id): SimulatedRequest => {
    if (id % (shape.burst ?? 1) === 0) at += -Math.log(1 - random()) * shape.gapSeconds * (shape.burst ?? 1);
    const promptTokens = shape.prompt(random);
    const shared = shape.sharedBlocks ?? 0;
    const hashes = Array.from({ length: Math.floor(promptTokens / 16) }, (_, i) =>
      i < shared ? `g${id % 4}:${i}` : `${id}:${i}`,
    );
    const written = shape.output(random);
    const tokensMax = shape.tokensMax ?? written;
    const arrival = { id, promptTokens, tokensMax, choices: shape.choices ?? 1, hashes };
    return { at, arrival, outputTokens: Math.min(written, tokensMax) };
  });
  const { acceptance = 0.3, blocks = 4096 } = shape;
  return { requests, acceptance, blocks, secondsPerPass: 0.02 };
}
