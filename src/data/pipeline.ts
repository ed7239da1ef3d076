/**
 * How records become batches: which order they come in, what is done to each, how many make a batch.
 *
 * The order of records never depends on their content, so it is computed by numbers alone: an epoch's order is a function of
 * the seed and the epoch, and a position in the data is one number. What is done to a record is a chain of named functions.
 */
import { UserError } from "../core/errors.ts";
import { draw } from "../core/random.ts";

export type DataOp =
  /** Takes `block` records in turn from each of `cycle` shards that are open; one that ends is followed by the next. */
  | { readonly kind: "interleave"; readonly cycle: number; readonly block: number }
  /** Draws each next record from the `buffer` that come first; with as many as there are records, any order is as likely. */
  | { readonly kind: "shuffle"; readonly buffer: number }
  /** Applies the function of that name to each record. */
  | { readonly kind: "map"; readonly map: string }
  /** What comes before it may be kept from the first epoch on. */
  | { readonly kind: "cache" };

export interface Pipeline {
  /** Records in each shard (a file, or a part of one). */
  readonly shards: readonly number[];
  readonly ops: readonly DataOp[];
  /** Records of a batch; those left over at the end of an epoch are dropped. */
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
}

/** Throws a `UserError` for a pipeline that gives no batch at all. */
export function checkPipeline({ shards, ops, batch, epochs }: Pipeline): void {
  const records = shards.reduce((n, count) => n + count, 0);
  const whole = (n: number): boolean => Number.isInteger(n) && n >= 1;
  const sizes = ops.flatMap((op) => ("buffer" in op ? [op.buffer] : "cycle" in op ? [op.cycle, op.block] : []));
  if (![batch, ...sizes].every(whole) || !(epochs > 0)) {
    throw new UserError(
      `Reading data in batches of ${batch} for ${epochs} epochs: sizes are whole numbers from 1 on.`,
      "Change the sizes of the pipeline.",
    );
  }
  if (records < batch) {
    throw new UserError(
      `Reading data in batches of ${batch}: there are ${records} records.`,
      "Give more data, a shorter context, or a smaller batch.",
    );
  }
}

export function batchesOfEpoch({ shards, batch }: Pipeline): number {
  return Math.floor(shards.reduce((n, count) => n + count, 0) / batch);
}

/** The numbers of all records, in the order of an epoch. */
export function epochOrder({ shards, ops, seed }: Pipeline, epoch: number): Int32Array {
  let order: Int32Array = Int32Array.from({ length: shards.reduce((n, count) => n + count, 0) }, (_, i) => i);
  for (const [place, op] of ops.entries()) {
    if (op.kind === "interleave") order = interleaved(order, shards, op);
    if (op.kind === "shuffle") order = shuffled(order, op.buffer, [seed, epoch, place]);
  }
  return order;
}

function interleaved(
  order: Int32Array,
  shards: readonly number[],
  { cycle, block }: { readonly cycle: number; readonly block: number },
): Int32Array {
  const out: number[] = [];
  let start = 0;
  const waiting = shards.map((count) => ({ at: start, end: (start += count) }));
  const open = waiting.splice(0, cycle);
  for (let turn = 0; open.length > 0; ) {
    const shard = open[turn]!;
    for (let i = 0; i < block && shard.at < shard.end; i++) out.push(order[shard.at++]!);
    if (shard.at < shard.end) turn = (turn + 1) % open.length;
    else {
      open.splice(turn, 1, ...waiting.splice(0, 1));
      turn = turn < open.length ? turn : 0;
    }
  }
  return Int32Array.from(out);
}

function shuffled(order: Int32Array, buffer: number, seed: readonly number[]): Int32Array {
  const held = Array.from(order.subarray(0, buffer));
  return order.map((_, i) => {
    const chosen = Math.floor(draw(...seed, i) * held.length);
    const record = held[chosen]!;
    const next = order[buffer + i] ?? held.pop()!;
    if (chosen < held.length) held[chosen] = next;
    return record;
  });
}

/** The records of a batch and the epoch it lies in; the orders of epochs are kept while they are in use. */
export class BatchOrder {
  readonly #pipeline: Pipeline;
  readonly #perEpoch: number;
  #epoch = -1;
  #order: Int32Array = new Int32Array(0);

  constructor(pipeline: Pipeline) {
    checkPipeline(pipeline);
    this.#pipeline = pipeline;
    this.#perEpoch = batchesOfEpoch(pipeline);
  }

  /** Batches in all. */
  get count(): number {
    return this.#perEpoch * this.#pipeline.epochs;
  }

  at(position: number): { readonly epoch: number; readonly records: Int32Array } {
    const epoch = Math.floor(position / this.#perEpoch);
    if (epoch !== this.#epoch) [this.#epoch, this.#order] = [epoch, epochOrder(this.#pipeline, epoch)];
    const { batch } = this.#pipeline;
    const from = (position - epoch * this.#perEpoch) * batch;
    return { epoch, records: this.#order.slice(from, from + batch) };
  }
}
