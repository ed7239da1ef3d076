/**
 * One direction of the copy engine: a thread that moves bytes between the device's memory and the host's, no faster than it may.
 *
 * Jobs come through shared memory, so that a thread which only computes, and never returns to its event loop, still can ask for
 * copies and see them end.
 */
import { parentPort, workerData } from "node:worker_threads";
import { openMemory } from "../../device/foreign-memory.ts";
import { type CopyStart, copyRing, now } from "./copy-ring.ts";

const { memory, host, ring, direction, rate } = workerData as CopyStart;
const device = await openMemory(memory);
const there = new Uint8Array(host);
const { control, numbers } = copyRing(ring);
/** Few wake-ups, since each may take the processor from the thread that computes. */
const chunkBytes = 512 << 10;

/** Sleeps, and does not spin: the processor is for computing. */
function until(time: number): void {
  for (let left = time - now(); left > 0; left = time - now()) Atomics.wait(control, control.length - 1, 0, left * 1e3);
}

function copyPart(job: number, from: number, to: number): void {
  const [deviceAt, hostAt] = [numbers[job]! + from, numbers[job + 1]! + from];
  const here = device.subarray(deviceAt, deviceAt + to - from);
  const away = there.subarray(hostAt, hostAt + to - from);
  if (direction === "out") away.set(here);
  else here.set(away);
}

function serve(): void {
  let end = 0;
  for (let done = 0; ; done++) {
    while (Atomics.load(control, copyRing.asked) === done) Atomics.wait(control, copyRing.asked, done);
    const job = (done % copyRing.jobs) * copyRing.stride;
    const bytes = numbers[job + 2]!;
    if (bytes < 0) break;
    const begin = Math.max(end, numbers[job + 3]!) + rate.latencySeconds;
    for (let from = 0; from < bytes; from += chunkBytes) {
      until(begin + from / rate.bytesPerSecond);
      copyPart(job, from, Math.min(bytes, from + chunkBytes));
    }
    // Bytes that could not move as fast as they may end late. Who waits looks at the clock: it need not be woken in time.
    end = Math.max(begin + bytes / rate.bytesPerSecond, now());
    numbers[job + 4] = end;
    Atomics.store(control, copyRing.moved, done + 1);
    Atomics.notify(control, copyRing.moved);
  }
}

parentPort?.postMessage("ready");
serve();
