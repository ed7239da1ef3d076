/** Listings of single instructions, as the Intel SDM writes them. What the whole compiler emits is in `test/listing.test.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Assembler, reg, vop } from "./x64-assembler.ts";
import { listing, printListing } from "./x64-listing.ts";

function listed(evex: boolean, write: (a: Assembler) => void): string[] {
  const a = new Assembler(evex);
  write(a);
  return listing(a.code()).map(({ mnemonic, operands }) => `${mnemonic} ${operands}`.trim());
}

const memory = { base: reg.r13, index: reg.r9, scale: 4, offset: -64 } as const;

test("integers: widths, signs, addresses, jumps backwards and forwards", () => {
  const lines = listed(false, (a) => {
    const top = a.here();
    a.mov(reg.rax, memory);
    a.store8({ base: reg.rsp, offset: 0 }, reg.rsi);
    a.movImmediate(reg.r15, -2);
    a.immediate(7, { base: reg.rbp, offset: 0 }, 300, 0);
    a.fetchAdd32({ base: reg.r12, offset: 128 }, reg.rcx);
    a.jumpIf("ne", top);
    const end = a.label();
    a.jump(end);
    a.bind(end);
    a.ret();
  });
  assert.deepEqual(lines, [
    "mov rax,QWORD PTR [r13+r9*4-0x40]",
    "mov BYTE PTR [rsp],sil",
    "mov r15,0xfffffffffffffffe",
    "cmp DWORD PTR [rbp+0x0],0x12c",
    "lock xadd DWORD PTR [r12+0x80],ecx",
    "jne 0x0",
    "jmp 0x2c",
    "ret",
  ]);
});

test("vectors: VEX and EVEX have their own names, registers and displacements in units of the operand", () => {
  const write = (a: Assembler): void => {
    a.vector(vop.pxor, 256, 1, 2, 3);
    a.vector(vop.fma, 256, 8, 9, memory);
    a.vector(vop.loadU8, 256, 15, 0, { base: reg.rax, offset: 8 });
    a.vector(vop.shiftD, 256, 6, 4, 5, { immediate: 16 });
  };
  assert.deepEqual(listed(false, write), [
    "vpxor ymm1,ymm2,ymm3",
    "vfmadd231ps ymm8,ymm9,YMMWORD PTR [r13+r9*4-0x40]",
    "vpmovzxbd ymm15,QWORD PTR [rax+0x8]",
    "vpslld ymm4,ymm5,0x10",
  ]);
  assert.deepEqual(listed(true, write).slice(0, 1), ["vpxord ymm1,ymm2,ymm3"]);
  const wide = listed(true, (a) => {
    a.vector(vop.dot4, 512, 31, 30, { base: reg.rax, offset: 256 }, { repeat: true });
    a.vector(vop.load, 512, 17, 0, { base: reg.rax, offset: 640 });
    a.vector(vop.move, 512, 0, 0, 29);
  });
  assert.deepEqual(wide, [
    "vpdpbusd zmm31,zmm30,DWORD BCST [rax+0x100]",
    "vmovups zmm17,ZMMWORD PTR [rax+0x280]",
    "vmovaps zmm0,zmm29",
  ]);
});

test("a line has the address, the bytes and the instruction; what is no instruction of ours is a bug", () => {
  const a = new Assembler(true);
  a.vector(vop.add, 512, 0, 0, 1);
  assert.equal(printListing(a.code()), `    0:  62 f1 7c 48 58 c1                 vaddps      zmm0,zmm0,zmm1`);
  assert.throws(() => listing(new Uint8Array([0xcc])), /bug: the listing does not know opcode cc|ends within/);
  assert.throws(() => listing(new Uint8Array([0x48, 0x8b])), /bug: machine code ends within an instruction/);
});
