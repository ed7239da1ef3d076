/** Memory that machine code lies in: never writable and executable at once, and what takes over where it is refused. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Assembler, reg } from "../compile/render/x64-assembler.ts";
import { at, TileBuilder } from "../compile/tile-builder.ts";
import { record } from "./device.ts";
import { type Native, openNative, type Refusal } from "./executable.ts";
import { openDevice } from "./open.ts";

/** What the kernel says of the memory at an address: `r-xp`. */
function protectionOf(address: number): string {
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const [, from, to, flags] = line.match(/^([0-9a-f]+)-([0-9a-f]+) (\S+)/) ?? [];
    if (Number.parseInt(from!, 16) <= address && address < Number.parseInt(to!, 16)) return flags!;
  }
  return "unmapped";
}

/** Stores 7 at the argument. */
function sevens(): Uint8Array {
  const a = new Assembler(false);
  a.storeImmediate32({ base: reg.rdi, offset: 0 }, 7);
  a.ret();
  return a.code();
}

const native: Native | undefined = await openNative();
const here = native === undefined ? undefined : test;
native?.release();

for (const [refused, flags] of [
  [[], "r-xp"],
  [["protect"], "r-xs"],
] as const) {
  here?.(`code that was written is not writable where it runs (refused: ${refused.join() || "nothing"})`, async () => {
    const native = await openNative(refused);
    assert.ok(native !== undefined);
    const data = native.alloc(64);
    const code = native.install(sevens());
    native.call(code, data.address);
    assert.equal(new Int32Array(data.buffer, data.offset, 1)[0], 7);
    assert.equal(protectionOf(code), flags);
    assert.equal(protectionOf(data.address), "rw-p");
    native.release();
    native.free(data);
    assert.equal(protectionOf(code), "unmapped");
  });
}

here?.("a device's kernels run where nothing can be written, and its memory cannot run", async () => {
  for (const level of ["x64-avx512", "x64-avx2"] as const) {
    const device = await openDevice(level, { threads: 2, scratchBytes: 64 }).catch(() => undefined);
    if (device === undefined) continue;
    const b = new TileBuilder(device.target);
    b.storeInt(at(b.param()), b.end);
    const [kernel] = device.install([b.finish("test")]);
    const regions = [device.alloc(4 << 20), device.alloc(record.stride), device.alloc(64)] as const;
    const [data, records, parameters] = regions;
    new DataView(parameters.buffer, parameters.offset).setBigUint64(0, BigInt(data.address), true);
    const launch = new DataView(records.buffer, records.offset);
    launch.setBigUint64(record.kernel, BigInt(kernel!), true);
    launch.setBigUint64(record.args, BigInt(parameters.address), true);
    launch.setInt32(record.items, 5, true);
    launch.setInt32(record.chunk, 5, true);
    await device.run(records, 1);
    assert.equal(new Int32Array(data.buffer, data.offset, 1)[0], 5);
    assert.equal(protectionOf(kernel!), "r-xp", level);
    for (const { address } of regions) assert.equal(protectionOf(address), "rw-p", level);
    for (const region of regions) device.free(region);
    await device.close();
    assert.equal(protectionOf(kernel!), "unmapped", level);
  }
});

here?.(
  "where executable memory is refused, WebAssembly takes over and says so; a level asked for by name is an error",
  async () => {
    const refused: readonly Refusal[] = ["execute"];
    const options = { threads: 1, scratchBytes: 64 };
    const device = await openDevice(undefined, options, refused);
    assert.equal(device.level, "wasm");
    assert.match(device.note!, /refuses executable memory; WebAssembly/);
    await device.close();
    await assert.rejects(openDevice("x64-avx2", options, refused), /make memory executable.*\n.*--level wasm/);
    const usual = await openDevice(undefined, options);
    assert.equal(usual.note, undefined);
    await usual.close();
  },
);
