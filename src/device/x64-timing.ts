/** What the timed launch loop wrote, as seconds: where threads' stamps go, and how long a cycle of the stamp counter is. */
import { setTimeout as sleep } from "node:timers/promises";
import { Assembler, reg } from "../compile/render/x64-assembler.ts";
import type { Region, Span } from "./device.ts";
import type { Native } from "./executable.ts";
import { stamps } from "./x64-driver.ts";

/** Of both clocks at one moment; the first of all is a slow one. */
const readings = 5;

/** Where a timed loop writes, and what it wrote. */
export interface Timing {
  /** Before each run of `count` records, timed or not: the loop always writes. */
  prepare(count: number): void;
  spans(count: number): Promise<readonly Span[]>;
  close(): void;
}

/** `scratch` are the threads' regions; their scratch begins `line` bytes into each, behind the cursor of their stamps. */
export function timing(native: Native, scratch: readonly Region[], line: number): Timing {
  let secondsPerTick: number | undefined;
  let regions: readonly Region[] = [];
  const close = (): void => {
    for (const region of regions) native.free(region);
    regions = [];
  };
  return {
    prepare(count) {
      const bytes = Math.max(1, count) * stamps.stride;
      if (regions.length === 0 || regions[0]!.bytes < bytes) {
        close();
        regions = scratch.map(() => native.alloc(bytes));
      }
      for (const [i, { buffer, offset }] of scratch.entries()) {
        new DataView(buffer).setBigUint64(offset + line + stamps.cursor, BigInt(regions[i]!.address), true);
      }
    },
    async spans(count) {
      secondsPerTick ??= await calibrate(native);
      return spansOf(regions, count, secondsPerTick);
    },
    close,
  };
}

function spansOf(regions: readonly Region[], count: number, secondsPerTick: number): Span[] {
  const views = regions.map(({ buffer, offset, bytes }) => new DataView(buffer, offset, bytes));
  const first = views.reduce((low, v) => {
    const begin = v.getBigUint64(stamps.begin, true);
    return begin < low ? begin : low;
  }, 2n ** 64n);
  return views.flatMap((view, thread) =>
    Array.from({ length: count }, (_, record) => {
      const at = (place: number): number =>
        Number(view.getBigUint64(record * stamps.stride + place, true) - first) * secondsPerTick;
      return { record, thread, begin: at(stamps.begin), worked: at(stamps.worked), end: at(stamps.end) };
    }),
  );
}

/**
 * Both clocks are read twice, long enough apart that the time between reading one and the other does not count; and each time
 * more than once, of which the quickest counts: this thread may lose its processor between the two.
 */
async function calibrate(native: Native): Promise<number> {
  const out = native.alloc(8);
  const code = native.install(readCode());
  const ticks = new DataView(out.buffer, out.offset);
  const once = (): { readonly ticks: bigint; readonly milliseconds: number; readonly took: number } => {
    const before = performance.now();
    native.call(code, out.address);
    const milliseconds = performance.now();
    return { ticks: ticks.getBigUint64(0, true), milliseconds, took: milliseconds - before };
  };
  const read = () => Array.from({ length: readings }, once).reduce((a, b) => (b.took < a.took ? b : a));
  const from = read();
  await sleep(20);
  const to = read();
  native.free(out);
  return (to.milliseconds - from.milliseconds) / 1000 / Number(to.ticks - from.ticks);
}

/** Stores the time stamp counter at the argument. */
function readCode(): Uint8Array {
  const a = new Assembler(false);
  a.readTimeStamp();
  a.shiftImmediate("shl", reg.rdx, 32);
  a.add(reg.rax, reg.rdx);
  a.store({ base: reg.rdi, offset: 0 }, reg.rax);
  a.ret();
  return a.code();
}
