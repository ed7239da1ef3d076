/**
 * A program as a launch policy sees it: estimates for a class of steps, so that one plan serves every step of the class.
 * Steps of a class differ by less than a factor of two in tokens and in output rows.
 */
import type { Dim } from "../graph/ir.ts";
import { dependencies } from "./dependencies.ts";
import type { LaunchCall } from "./launch.ts";
import { sharesOf } from "./lower/attention.ts";
import type { Call } from "./lower.ts";
import type { Program } from "./schedule.ts";

/** Tokens and output rows; of a class, the most that it has. */
export interface StepSize {
  readonly tokens: number;
  readonly rows: number;
}

/** Work items of a call, which are the same for all steps of a class but for their numbers of tokens and rows. */
export const itemsOf = (
  { items: { dim, times, shared } }: Pick<Call, "items">,
  size: StepSize,
  threads: number,
): number => extentOf(dim, size) * times * (shared ? sharesOf(classOf(size).tokens, threads) : 1);

/** Rough rates of one thread, and positions that attention sees: what matters is which calls are short, and which long. */
const assumed = { bytesPerSecond: 15e9, operationsPerSecond: 150e9, callSeconds: 0.1e-6, positions: 256 };

export const classOf = ({ tokens, rows }: StepSize): StepSize => ({ tokens: roundUp(tokens), rows: roundUp(rows) });

const roundUp = (n: number): number => (n === 0 ? 0 : 2 ** Math.ceil(Math.log2(n)));

export const extentOf = (dim: Dim, { tokens, rows }: StepSize): number =>
  dim === "T" ? tokens : dim === "S" ? rows : dim;

/** Calls of a class of steps that have something to do, by their place in the program, as a policy sees them. */
export function launchCalls(
  program: Program<unknown>,
  size: StepSize,
  threads: number,
  weightBytes: (name: string) => number,
): { readonly calls: readonly LaunchCall[]; readonly places: readonly number[] } {
  const places = [...program.calls.keys()].filter((i) => extentOf(program.calls[i]!.items.dim, size) > 0);
  const after = dependencies(places.map((i) => program.accesses[i]!));
  const calls = places.map((place, i) => {
    const call = program.calls[place]!;
    return {
      parts: partsOf(call, size, threads),
      seconds: secondsOf(program, call, size, weightBytes),
      after: after[i]!,
    };
  });
  return { calls, places };
}

/** The items of the smallest step of the class. */
function partsOf(call: Call, size: StepSize, threads: number): number {
  const least = (n: number): number => (n <= 1 ? n : n / 2 + 1);
  return itemsOf(call, { tokens: least(size.tokens), rows: least(size.rows) }, threads);
}

function secondsOf(
  program: Program<unknown>,
  call: Call,
  size: StepSize,
  weightBytes: (name: string) => number,
): number {
  let [bytes, operations] = [0, 0];
  const rows = Math.max(1, ...call.args.map((a) => (a.kind === "count" ? extentOf(a.dim, size) : 1)));
  for (const a of call.args) {
    if (a.kind === "buffer") bytes += extentOf(program.buffers[a.id]!.rows, size) * program.buffers[a.id]!.rowBytes;
    if (a.kind !== "weight" || call.op === "embed") continue;
    bytes += weightBytes(a.name);
    // A packed weight is about a byte.
    operations += 2 * rows * weightBytes(a.name);
  }
  const cache = call.args.find((a) => a.kind === "cache");
  const shape = program.caches.find((c) => c.layer === (cache?.kind === "cache" ? cache.layer : undefined));
  if (shape !== undefined && call.op === "attention") {
    operations += 4 * size.tokens * assumed.positions * shape.heads * shape.width;
  }
  return estimatedSeconds(bytes, operations);
}

/** Of a call on one thread. */
export function estimatedSeconds(bytes: number, operations: number): number {
  const working = Math.max(bytes / assumed.bytesPerSecond, operations / assumed.operationsPerSecond);
  return assumed.callSeconds + working;
}
