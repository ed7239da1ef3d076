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
import type { Ticket } from "./machine.ts";

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

/** How much later than it should a copy is seen to have ended: threads sleep, and must wake. Uses the first bytes of the memories. */
export function measuredWake(engine: CopyEngine, { bytesPerSecond, latencySeconds }: CopyRate, most: number): Seconds {
  const bytes = Math.min(most, Math.ceil(bytesPerSecond * 0.5e-3));
  const times = Array.from({ length: 9 }, () => {
    const began = now();
    engine.wait(engine.copy("out", 0, 0, bytes));
    return Math.max(0, now() - began - latencySeconds - bytes / bytesPerSecond);
  });
  // What disturbs others disturbs this too: the better half counts.
  return times.sort((a, b) => a - b)[times.length >> 2]!;
}

class Lane {
  readonly #worker: Worker;
  readonly #control: Int32Array;
  readonly #numbers: Float64Array;

  constructor(start: CopyStart) {
    const { control, numbers } = copyRing(start.ring);
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
    while (asked - Atomics.load(this.#control, copyRing.ended) >= copyRing.jobs) this.wait(asked - copyRing.jobs);
    this.#numbers.set([offset, hostOffset, bytes, now()], (asked % copyRing.jobs) * copyRing.stride);
    Atomics.store(this.#control, copyRing.asked, asked + 1);
    Atomics.notify(this.#control, copyRing.asked);
    return asked;
  }

  done(job: number): boolean {
    return Atomics.load(this.#control, copyRing.ended) > job;
  }

  wait(job: number): void {
    for (let ended = this.#ended(); ended <= job; ended = this.#ended()) {
      Atomics.wait(this.#control, copyRing.ended, ended, 1000);
    }
  }

  #ended(): number {
    return Atomics.load(this.#control, copyRing.ended);
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
