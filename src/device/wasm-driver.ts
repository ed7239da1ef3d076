/** The launch loop as WebAssembly: the same walk over records as the native one, with atomics on the shared memory. */
import { FunctionWriter, kernelType, writeModule } from "../compile/render/wasm-module.ts";
import { record } from "./device.ts";

/** Byte offsets in the control block. */
export const control = { arrived: 0, generation: 64, bytes: 128 } as const;
const spins = 2000;
const atomic = { notify: 0x00, wait32: 0x01, load: 0x10, store: 0x17, add: 0x1e } as const;
const i32 = { load: [0x28], add: 0x6a, eq: 0x46, ne: 0x47, eqz: 0x45, ge: 0x4e, lt: 0x48 } as const;
const forever = [0x42, 0x7f];

/** Exports `run(records, count, threads, scratch, control)`. */
export function driverModule(pagesMax: number): Uint8Array<ArrayBuffer> {
  const functions = [{ parameters: 5, body: [] as number[] }];
  functions[0]!.body = walk(kernelType(functions));
  return writeModule({ functions, exports: new Map([["run", 0]]), pagesMax });
}

function walk(type: number): number[] {
  const f = new FunctionWriter(5);
  const [rec, left, threads, scratch, ctl] = [0, 1, 2, 3, 4];
  const [begin, end, items, spin, generation] = [
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
    f.local("i32"),
  ];
  const barrier = (): void => {
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
  };
  f.block().loop();
  f.get(left).op(i32.eqz).brIf(1);
  f.get(rec).memory(i32.load, record.items).set(items);
  f.block().loop();
  f.get(rec)
    .get(rec)
    .memory(i32.load, record.chunk)
    .atomic(atomic.add, record.counter)
    .tee(begin)
    .get(items)
    .op(i32.ge)
    .brIf(1);
  f.get(begin).get(rec).memory(i32.load, record.chunk).op(i32.add).tee(end).get(items).get(end).get(items).op(i32.lt);
  f.op(0x1b).set(end);
  f.get(rec).memory(i32.load, record.args).get(begin).get(end).get(scratch);
  f.get(rec).memory(i32.load, record.kernel).op(0x11, type, 0);
  f.br(0).end().end();
  f.get(rec).memory(i32.load, record.barrier).if();
  barrier();
  f.end();
  f.get(rec).i32(record.stride).op(i32.add).set(rec);
  f.get(left).i32(-1).op(i32.add).set(left);
  f.br(0).end().end();
  barrier();
  return f.body();
}
