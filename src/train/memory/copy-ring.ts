/** How copies are asked for and reported between threads: a ring of jobs in shared memory, and two counters. */
import type { ForeignMemory } from "../../device/foreign-memory.ts";
import type { Seconds } from "../../time/clock.ts";
import type { CopyRate } from "../memory.ts";

export interface CopyStart {
  readonly memory: ForeignMemory;
  readonly host: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly direction: "out" | "in";
  readonly rate: CopyRate;
}

const jobs = 1024;
/** Where in the device's memory, where in the host's, how many bytes (negative: no more), when it was asked for, when it ends. */
const stride = 5;

/** The counters of jobs asked for and moved, which never fall, and the jobs. The last word of the counters never changes. */
export function copyRing(ring: SharedArrayBuffer): { readonly control: Int32Array; readonly numbers: Float64Array } {
  return { control: new Int32Array(ring, 0, 16), numbers: new Float64Array(ring, 64, jobs * stride) };
}
copyRing.jobs = jobs;
copyRing.stride = stride;
copyRing.bytes = 64 + jobs * stride * 8;
copyRing.asked = 0;
copyRing.moved = 1;

/** The same on every thread of the process. */
export const now = (): Seconds => Number(process.hrtime.bigint()) / 1e9;
