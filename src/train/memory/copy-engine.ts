/**
 * The copy engine: moves tensors between the arena and memory of the host, on a thread for each direction, while units run.
 *
 *     out ─► ring ─► thread ─► host          A direction's copies follow each other, at the rate that was given.
 *     in  ─► ring ─► thread ─► arena
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assert } from "../../core/errors.ts";
import type { Device, Region } from "../../device/device.ts";
import { foreignMemory } from "../../device/foreign-memory.ts";
import type { Seconds } from "../../time/clock.ts";
import type { CopyRate } from "../memory.ts";
import { type CopyStart, copyRing, now } from "./copy-ring.ts";
import { awakeSeconds, type Ticket } from "./machine.ts";

export interface CopyEngine {
  /** Begins a copy of `bytes` between an offset of the arena and one of the host's memory. */
  copy(direction: "out" | "in", offset: number, hostOffset: number, bytes: number): Ticket;
  done(ticket: Ticket): boolean;
  wait(ticket: Ticket): void;
  /** Copies under way are ended first. The arena may be freed then. */
  close(): Promise<void>;
}

/** Waits for both threads to be there. On a device whose memory other threads do not see, copies happen when they end. */
export async function openCopyEngine(
  device: Device,
  arena: Region,
  hostBytes: number,
  rate: CopyRate,
): Promise<CopyEngine> {
  const memory = foreignMemory(device, arena);
  if (memory === undefined) return new LocalCopies(arena, hostBytes, rate);
  const host = new SharedArrayBuffer(hostBytes);
  const lanes = (["out", "in"] as const).map((direction) => {
    const start: CopyStart = { memory, host, ring: new SharedArrayBuffer(copyRing.bytes), direction, rate };
    return new Lane(start);
  });
  await Promise.all(lanes.map((lane) => lane.ready()));
  return {
    copy: (direction, offset, hostOffset, bytes) => {
      const lane = direction === "out" ? 0 : 1;
      return 2 * lanes[lane]!.copy(offset, hostOffset, bytes) + lane;
    },
    done: (ticket) => lanes[ticket % 2]!.done(Math.floor(ticket / 2)),
    wait: (ticket) => lanes[ticket % 2]!.wait(Math.floor(ticket / 2)),
    close: async () => {
      await Promise.all(lanes.map((lane) => lane.close()));
    },
  };
}

class Lane {
  readonly #worker: Worker;
  readonly #control: Int32Array;
  readonly #numbers: Float64Array;
  readonly #rate: CopyRate;
  /** When copies end, if their bytes move as fast as they may; the last one, and those in the ring. */
  #last: Seconds = 0;
  readonly #expected = new Float64Array(copyRing.jobs);

  constructor(start: CopyStart) {
    const { control, numbers } = copyRing(start.ring);
    this.#rate = start.rate;
    this.#control = control;
    this.#numbers = numbers;
    this.#worker = new Worker(new URL("./copy-worker.js", import.meta.url), { workerData: start, execArgv: [] });
  }

  /** Throws what stopped the thread. */
  async ready(): Promise<void> {
    await once(this.#worker, "message");
    this.#worker.unref();
  }

  copy(offset: number, hostOffset: number, bytes: number): number {
    const asked = Atomics.load(this.#control, copyRing.asked);
    if (asked >= copyRing.jobs) this.wait(asked - copyRing.jobs);
    const place = asked % copyRing.jobs;
    const at = now();
    this.#last = Math.max(this.#last, at) + this.#rate.latencySeconds + bytes / this.#rate.bytesPerSecond;
    this.#expected[place] = this.#last;
    this.#numbers.set([offset, hostOffset, bytes, at], place * copyRing.stride);
    Atomics.store(this.#control, copyRing.asked, asked + 1);
    Atomics.notify(this.#control, copyRing.asked);
    return asked;
  }

  done(job: number): boolean {
    // What stood in the ring before a later job was waited for then.
    if (Atomics.load(this.#control, copyRing.asked) > job + copyRing.jobs) return true;
    return Atomics.load(this.#control, copyRing.moved) > job && this.#end(job) <= now();
  }

  wait(job: number): void {
    while (!this.done(job)) {
      const moved = Atomics.load(this.#control, copyRing.moved);
      const left = (moved > job ? this.#end(job) : this.#expected[job % copyRing.jobs]!) - now();
      // A thread that is late is waited for, and tells when it is done.
      if (left < -awakeSeconds) Atomics.wait(this.#control, copyRing.moved, moved, 1);
      else if (left > awakeSeconds) Atomics.wait(this.#control, copyRing.moved, moved, (left - awakeSeconds) * 1e3);
    }
  }

  #end(job: number): Seconds {
    return this.#numbers[(job % copyRing.jobs) * copyRing.stride + 4]!;
  }

  async close(): Promise<void> {
    const left = once(this.#worker, "exit");
    this.#worker.ref();
    this.copy(0, 0, -1);
    await left;
  }
}

/** Copies of a device that only this thread can reach: they take their time, and the bytes move when it is over. */
class LocalCopies implements CopyEngine {
  readonly #arena: Uint8Array;
  readonly #host: Uint8Array;
  readonly #rate: CopyRate;
  readonly #free = { out: 0, in: 0 };
  readonly #jobs: { readonly end: Seconds; move: (() => void) | undefined }[] = [];

  constructor({ buffer, offset, bytes }: Region, hostBytes: number, rate: CopyRate) {
    this.#arena = new Uint8Array(buffer, offset, bytes);
    this.#host = new Uint8Array(hostBytes);
    this.#rate = rate;
  }

  copy(direction: "out" | "in", offset: number, hostOffset: number, bytes: number): Ticket {
    const { latencySeconds, bytesPerSecond } = this.#rate;
    const end = Math.max(now(), this.#free[direction]) + latencySeconds + bytes / bytesPerSecond;
    this.#free[direction] = end;
    const here = this.#arena.subarray(offset, offset + bytes);
    const there = this.#host.subarray(hostOffset, hostOffset + bytes);
    const move = direction === "out" ? () => there.set(here) : () => here.set(there);
    return this.#jobs.push({ end, move }) - 1;
  }

  done(ticket: Ticket): boolean {
    const job = this.#jobs[ticket];
    assert(job !== undefined, () => `there is no copy ${ticket}`);
    if (job.end > now()) return false;
    job.move?.();
    job.move = undefined;
    return true;
  }

  wait(ticket: Ticket): void {
    const still = new Int32Array(new SharedArrayBuffer(4));
    while (!this.done(ticket)) Atomics.wait(still, 0, 0, 1e3 * Math.max(0, this.#jobs[ticket]!.end - now()));
  }

  async close(): Promise<void> {}
}
