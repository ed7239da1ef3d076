/** Launches calls that are not part of a program: packing, measuring, single kernels. */
import { type Device, record, sharesMax } from "./device.ts";

export interface ListedCall {
  readonly kernel: number;
  /** Addresses, and counts. */
  readonly args: readonly number[];
  readonly items: number;
  /** Items that a thread claims at a time; default 1. */
  readonly chunk?: number;
  /** Items of each thread's own share; without, threads take their chunks from one queue. */
  readonly share?: number;
  /** Whether the next call waits for this one. */
  readonly barrier?: boolean;
}

export interface CallList {
  /** As often as wanted, one run after the other. */
  run(): Promise<void>;
  close(): void;
}

/** Enough chunks for each thread to even out, few enough to be cheap. */
export const chunksPerThread = 8;

export const chunkOf = ({ threads }: Pick<Device, "threads">, items: number): number =>
  threads === 1 ? Math.max(1, items) : Math.max(1, Math.floor(items / (threads * chunksPerThread)));

/** Of an estimate at 15 GB/s, of which threads reach two to three times as much. */
const chunkSeconds = 64e-6;
const chunksMax = 16;

/** How threads claim the items of a call: see `record`. */
export interface Claims {
  readonly share: number;
  readonly chunk: number;
}

/** The least that a thread claims of its share is a part of this many of a run of that length. */
const piecesOfRun = 8;

/**
 * Of a call whose items take equally long, which `seconds` estimates for one thread: each thread has a share, so that memory is
 * read in long runs, and claims it in ever smaller pieces, so that who is held up leaves little for the others to wait for.
 */
export function evenClaims(threads: number, items: number, seconds: number): Claims {
  if (threads === 1) return { share: 0, chunk: Math.max(1, items) };
  const chunks = threads * evenChunks(seconds / threads);
  if (threads > sharesMax) return { share: 0, chunk: Math.max(1, Math.ceil(items / chunks)) };
  return { share: Math.ceil(items / threads), chunk: Math.max(1, Math.ceil(items / (chunks * piecesOfRun))) };
}

/** Runs of a thread: some hundred KiB each. */
const evenChunks = (seconds: number): number => Math.max(1, Math.min(chunksMax, Math.round(seconds / chunkSeconds)));

export function callList(device: Device, calls: readonly ListedCall[]): CallList {
  const records = device.alloc(Math.max(1, calls.length) * record.stride);
  const parameters = device.alloc(
    Math.max(
      1,
      calls.reduce((n, c) => n + c.args.length, 0),
    ) * 8,
  );
  const launch = new DataView(records.buffer, records.offset, records.bytes);
  const words = new DataView(parameters.buffer, parameters.offset, parameters.bytes);
  let next = 0;
  for (const [i, { kernel, args, items, chunk = 1, share = 0, barrier = false }] of calls.entries()) {
    const at = i * record.stride;
    launch.setBigUint64(at + record.kernel, BigInt(kernel), true);
    launch.setBigUint64(at + record.args, BigInt(parameters.address + next), true);
    launch.setInt32(at + record.items, items, true);
    launch.setInt32(at + record.chunk, chunk, true);
    launch.setInt32(at + record.share, share, true);
    launch.setInt32(at + record.barrier, barrier ? 1 : 0, true);
    for (const x of args) {
      words.setBigUint64(next, BigInt(x), true);
      next += 8;
    }
  }
  // One copy: the records may have left the caches, and word by word each would be waited for.
  const bytes = new Uint8Array(records.buffer, records.offset, records.bytes);
  const unclaimed = bytes.slice();
  return {
    async run() {
      bytes.set(unclaimed);
      await device.run(records, calls.length);
    },
    close() {
      device.free(records);
      device.free(parameters);
    },
  };
}

/** All calls in one launch. */
export async function runOnce(device: Device, calls: readonly ListedCall[]): Promise<void> {
  const list = callList(device, calls);
  try {
    await list.run();
  } finally {
    list.close();
  }
}
