/** The launch loop as WebAssembly: the same walk over records as the native one, with atomics on the shared memory. */
import { FunctionWriter, kernelType, writeModule } from "../compile/render/wasm-module.ts";
import { record } from "./device.ts";

/** Byte offsets in the control block. */
export const control = { arrived: 0, generation: 64, events: 128, eventSleepers: 132, bytes: 192 } as const;
const spins = 2000;
const atomic = { notify: 0x00, wait32: 0x01, load: 0x10, store: 0x17, add: 0x1e } as const;
const i32 = { load: [0x28], add: 0x6a, sub: 0x6b, eq: 0x46, ne: 0x47, eqz: 0x45, ge: 0x4e, lt: 0x48 } as const;
const forever = [0x42, 0x7f];

/** Exports `run(records, count, threads, scratch, control, thread)`; threads are numbered from 1 on. */
export function driverModule(pagesMax: number): Uint8Array<ArrayBuffer> {
  const functions = [{ parameters: 6, body: [] as number[] }];
  functions[0]!.body = walk(kernelType(functions));
  return writeModule({ functions, exports: new Map([["run", 0]]), pagesMax });
}

/** Parameters and locals of the loop. */
interface Names {
  readonly f: FunctionWriter;
  readonly rec: number;
  readonly left: number;
  readonly threads: number;
  readonly scratch: number;
  readonly ctl: number;
  readonly thread: number;
  readonly begin: number;
  readonly end: number;
  readonly items: number;
  readonly spin: number;
  readonly generation: number;
  readonly wait: number;
  readonly target: number;
}

function walk(type: number): number[] {
  const f = new FunctionWriter(6);
  const local = (): number => f.local("i32");
  const n: Names = {
    ...{ f, rec: 0, left: 1, threads: 2, scratch: 3, ctl: 4, thread: 5 },
    ...{ begin: local(), end: local(), items: local(), spin: local(), generation: local() },
    ...{ wait: local(), target: local() },
  };
  const { rec, left } = n;
  f.block().loop();
  f.get(left).op(i32.eqz).brIf(1);
  f.get(rec).memory(i32.load, record.items).set(n.items);
  f.block();
  enter(n);
  f.loop();
  f.get(rec).get(rec).memory(i32.load, record.chunk).atomic(atomic.add, record.counter).tee(n.begin);
  f.get(n.items).op(i32.ge).brIf(1);
  f.get(n.begin).get(rec).memory(i32.load, record.chunk).op(i32.add).tee(n.end).get(n.items);
  f.get(n.end).get(n.items).op(i32.lt).op(0x1b).set(n.end);
  f.get(rec).memory(i32.load, record.args).get(n.begin).get(n.end).get(n.scratch);
  f.get(rec).memory(i32.load, record.kernel).op(0x11, type, 0);
  signal(n);
  f.br(0).end().end();
  f.get(rec).memory(i32.load, record.barrier).if();
  barrier(n);
  f.end();
  f.get(rec).i32(record.stride).op(i32.add).set(rec);
  f.get(left).i32(-1).op(i32.add).set(left);
  f.br(0).end().end();
  barrier(n);
  return f.body();
}

/** Leaves the block around it where this thread has nothing to do; waits for the records that this one waits for. */
function enter({ f, rec, ctl, thread, items, spin, generation, wait, target }: Names): void {
  f.get(rec).memory(i32.load, record.thread).op(i32.eqz).if().else();
  f.get(rec).memory(i32.load, record.thread).get(thread).op(i32.ne).brIf(1).end();
  f.get(rec).memory(i32.load, record.waits).tee(wait).if();
  f.get(rec).atomic(atomic.load, record.counter).get(items).op(i32.ge).brIf(1);
  f.loop().get(wait).memory(i32.load, 0).if();
  f.get(rec).get(wait).memory(i32.load, 0).op(i32.add).set(target);
  f.get(wait).i32(8).op(i32.add).set(wait);
  f.i32(spins).set(spin).block().loop();
  f.get(target).atomic(atomic.load, record.remaining).op(i32.eqz).brIf(1);
  f.get(spin).i32(-1).op(i32.add).tee(spin).brIf(0).end();
  // The sleeper counts itself before it looks again, so that whoever finishes after that look sees it.
  f.loop().get(ctl).i32(1).atomic(atomic.add, control.eventSleepers).op(0x1a);
  f.get(ctl).atomic(atomic.load, control.events).set(generation);
  f.get(target).atomic(atomic.load, record.remaining).if();
  f.get(ctl)
    .get(generation)
    .op(...forever)
    .atomic(atomic.wait32, control.events)
    .op(0x1a)
    .end();
  f.get(ctl).i32(-1).atomic(atomic.add, control.eventSleepers).op(0x1a);
  f.get(target).atomic(atomic.load, record.remaining).brIf(0).end();
  f.end().br(1).end().end().end();
}

/** Counts the chunk as done, and wakes who sleeps for the record if it was the last. */
function signal({ f, rec, ctl, begin, end }: Names): void {
  f.get(rec).memory(i32.load, record.signals).if();
  f.get(rec).get(begin).get(end).op(i32.sub).atomic(atomic.add, record.remaining);
  f.get(end).get(begin).op(i32.sub).op(i32.eq).if();
  f.get(ctl).atomic(atomic.load, control.eventSleepers).if();
  f.get(ctl).i32(1).atomic(atomic.add, control.events).op(0x1a);
  f.get(ctl).i32(0x7fffffff).atomic(atomic.notify, control.events).op(0x1a);
  f.end().end().end();
}

/** All threads wait for the last; the generation is read before arriving, so a fast successor cannot be missed. */
function barrier({ f, ctl, threads, spin, generation }: Names): void {
  f.get(ctl).atomic(atomic.load, control.generation).set(generation);
  f.get(ctl).i32(1).atomic(atomic.add, control.arrived).i32(1).op(i32.add).get(threads).op(i32.eq).if();
  f.get(ctl).i32(0).atomic(atomic.store, control.arrived);
  f.get(ctl).i32(1).atomic(atomic.add, control.generation).op(0x1a);
  f.get(ctl).i32(0x7fffffff).atomic(atomic.notify, control.generation).op(0x1a);
  f.else().i32(spins).set(spin).block().loop();
  f.get(ctl).atomic(atomic.load, control.generation).get(generation).op(i32.ne).brIf(1);
  f.get(spin).i32(-1).op(i32.add).tee(spin).brIf(0).end();
  f.loop();
  f.get(ctl)
    .get(generation)
    .op(...forever)
    .atomic(atomic.wait32, control.generation)
    .op(0x1a);
  f.get(ctl).atomic(atomic.load, control.generation).get(generation).op(i32.eq).brIf(0).end();
  f.end().end();
}
