/**
 * An assembler for the part of x86-64 that the renderer needs: integers, VEX and EVEX vectors, labels.
 *
 * Encodings follow the Intel SDM, volume 2: legacy (§2.1), VEX (§2.3) and EVEX (§2.7) with compressed displacements.
 */
export const reg = {
  rax: 0,
  rcx: 1,
  rdx: 2,
  rbx: 3,
  rsp: 4,
  rbp: 5,
  rsi: 6,
  rdi: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
  r12: 12,
  r13: 13,
  r14: 14,
  r15: 15,
} as const;

export interface Memory {
  readonly base: number;
  readonly index?: number;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly offset: number;
}

export interface Label {
  position: number | undefined;
  readonly uses: number[];
}

const conditions = { b: 2, ae: 3, e: 4, ne: 5, be: 6, a: 7, l: 12, ge: 13, le: 14, g: 15 } as const;
export type Condition = keyof typeof conditions;

/** Opcode of a vector instruction; `prefix` 0 none, 1 66, 2 F3, 3 F2; `map` 1 0F, 2 0F38, 3 0F3A. */
export interface VectorOp {
  readonly map: 1 | 2 | 3;
  readonly prefix: 0 | 1 | 2 | 3;
  readonly opcode: number;
  /** Bytes that a memory operand has for each byte of the vector: 1, or 1/2, 1/4 for widening loads. */
  readonly memory?: number;
  /** It works on halves of lanes, and takes no lane repeated from memory. */
  readonly halves?: true;
  /** What is always its last byte. */
  readonly immediate?: number;
}

const op = (map: 1 | 2 | 3, prefix: 0 | 1 | 2 | 3, opcode: number, memory?: number): VectorOp =>
  memory === undefined ? { map, prefix, opcode } : { map, prefix, opcode, memory };

/** The same opcodes serve VEX and EVEX. */
export const vop = {
  load: op(1, 0, 0x10),
  store: op(1, 0, 0x11),
  move: op(1, 0, 0x28),
  add: op(1, 0, 0x58),
  mul: op(1, 0, 0x59),
  sub: op(1, 0, 0x5c),
  min: op(1, 0, 0x5d),
  div: op(1, 0, 0x5e),
  max: op(1, 0, 0x5f),
  sqrt: op(1, 0, 0x51),
  fma: op(2, 1, 0xb8),
  round: op(3, 1, 0x08),
  paddd: op(1, 1, 0xfe),
  psubd: op(1, 1, 0xfa),
  pand: op(1, 1, 0xdb),
  por: op(1, 1, 0xeb),
  pxor: op(1, 1, 0xef),
  pmaddwd: { ...op(1, 1, 0xf5), halves: true },
  pmaddubsw: { ...op(2, 1, 0x04), halves: true },
  paddw: { ...op(1, 1, 0xfd), halves: true },
  pmulld: op(2, 1, 0x40),
  compareF: op(1, 0, 0xc2),
  compareI: op(3, 1, 0x1f),
  greater: op(1, 1, 0x66),
  maskToLanes: op(2, 2, 0x38),
  pminsd: op(2, 1, 0x39),
  pmaxsd: op(2, 1, 0x3d),
  shiftD: op(1, 1, 0x72),
  shiftW: op(1, 1, 0x71),
  dot4: op(2, 1, 0x50),
  dotBf16: op(2, 2, 0x52),
  low: op(1, 0, 0x14),
  high: op(1, 0, 0x15),
  lowPairs: op(1, 1, 0x14),
  highPairs: op(1, 1, 0x15),
  equal: op(1, 1, 0x76),
  shiftBytes: op(1, 1, 0x73),
  maskLoad: op(2, 1, 0x2c),
  maskStore: op(2, 1, 0x2e),
  toI32: op(1, 1, 0x5b),
  toF32: op(1, 0, 0x5b),
  loadU8: op(2, 1, 0x31, 1 / 4),
  loadI8: op(2, 1, 0x21, 1 / 4),
  loadU16: op(2, 1, 0x33, 1 / 2),
  loadF16: op(2, 1, 0x13, 1 / 2),
  broadcast: op(2, 1, 0x18),
  broadcastGpr: op(2, 1, 0x7c),
  moveFromGpr: op(1, 1, 0x6e),
  moveToGpr: op(1, 1, 0x7e),
  storeScalar: op(1, 2, 0x11),
  permute: op(3, 1, 0x04),
  shuffle128: op(3, 1, 0x23),
  /** The first operand, or what the others have in common (EVEX only). */
  andOr: { ...op(3, 1, 0x25), immediate: 0xf8 },
  swapHalves: op(3, 1, 0x06),
  packDw: op(1, 1, 0x6b),
  packWb: op(1, 1, 0x63),
  extractHalf: op(3, 1, 0x19),
  truncateBytes: op(2, 2, 0x31, 1 / 4),
  truncateWords: op(2, 2, 0x33, 1 / 2),
  moveLow64: op(1, 1, 0xd6),
} as const;

export class Assembler {
  /** True writes EVEX, false VEX. */
  readonly evex: boolean;
  #bytes = new Uint8Array(1 << 12);
  #length = 0;

  constructor(evex: boolean) {
    this.evex = evex;
  }

  get length(): number {
    return this.#length;
  }

  code(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  byte(...values: readonly number[]): void {
    if (this.#length + values.length > this.#bytes.length) {
      const longer = new Uint8Array(this.#bytes.length * 2);
      longer.set(this.#bytes);
      this.#bytes = longer;
    }
    for (const v of values) this.#bytes[this.#length++] = v;
  }

  #int32(v: number): void {
    this.byte(v, v >> 8, v >> 16, v >> 24);
  }

  align(to: number): void {
    while (this.#length % to !== 0) this.byte(0x90);
  }

  label(): Label {
    return { position: undefined, uses: [] };
  }

  bind(label: Label): void {
    label.position = this.#length;
    for (const use of label.uses) this.#patch(use, this.#length);
  }

  here(): Label {
    const label = this.label();
    this.bind(label);
    return label;
  }

  #patch(use: number, target: number): void {
    new DataView(this.#bytes.buffer).setInt32(use, target - (use + 4), true);
  }

  #relative(label: Label): void {
    const use = this.#length;
    this.#int32(0);
    if (label.position === undefined) label.uses.push(use);
    else this.#patch(use, label.position);
  }

  /** ModRM, SIB and displacement; `unit` is EVEX's compression factor of 8-bit displacements. */
  #modrm(field: number, rm: number | Memory, unit = 1): void {
    const r = (field & 7) << 3;
    if (typeof rm === "number") {
      this.byte(0xc0 | r | (rm & 7));
      return;
    }
    const sib = rm.index !== undefined || (rm.base & 7) === 4;
    const short = rm.offset % unit === 0 && rm.offset / unit >= -128 && rm.offset / unit <= 127;
    const mod = rm.offset === 0 && (rm.base & 7) !== 5 ? 0 : short ? 1 : 2;
    this.byte((mod << 6) | r | (sib ? 4 : rm.base & 7));
    if (sib) this.byte((Math.log2(rm.scale ?? 1) << 6) | (((rm.index ?? 4) & 7) << 3) | (rm.base & 7));
    if (mod === 1) this.byte(rm.offset / unit);
    else if (mod === 2) this.#int32(rm.offset);
  }

  /** A legacy instruction; `w` 1 for 64-bit operands. `bytes` forces a REX, for the low bytes of rsi and rdi. */
  int(opcode: readonly number[], field: number, rm: number | Memory, w: 0 | 1 = 1, bytes = false): void {
    const base = typeof rm === "number" ? rm : rm.base;
    const index = typeof rm === "number" ? 0 : (rm.index ?? 0);
    const rex = 0x40 | (w << 3) | ((field >> 3) << 2) | ((index >> 3) << 1) | (base >> 3);
    if (rex !== 0x40 || bytes) this.byte(rex);
    this.byte(...opcode);
    this.#modrm(field, rm);
  }

  mov = (d: number, s: number | Memory): void => this.int([0x8b], d, s);
  mov32 = (d: number, s: number | Memory): void => this.int([0x8b], d, s, 0);
  movsxd = (d: number, s: number | Memory): void => this.int([0x63], d, s);
  store = (d: Memory, s: number): void => this.int([0x89], s, d);
  store32 = (d: Memory, s: number): void => this.int([0x89], s, d, 0);
  store16(d: Memory, s: number): void {
    this.byte(0x66);
    this.int([0x89], s, d, 0);
  }
  store8 = (d: Memory, s: number): void => this.int([0x88], s, d, 0, true);
  movzx8 = (d: number, s: Memory): void => this.int([0x0f, 0xb6], d, s, 0);
  movzx16 = (d: number, s: Memory): void => this.int([0x0f, 0xb7], d, s, 0);
  /** Sign-extends 32 bits. */
  movImmediate(d: number, v: number): void {
    this.int([0xc7], 0, d);
    this.#int32(v);
  }
  storeImmediate32(d: Memory, v: number): void {
    this.int([0xc7], 0, d, 0);
    this.#int32(v);
  }
  lea = (d: number, s: Memory): void => this.int([0x8d], d, s);
  add = (d: number, s: number | Memory): void => this.int([0x03], d, s);
  sub = (d: number, s: number | Memory): void => this.int([0x2b], d, s);
  and = (d: number, s: number | Memory): void => this.int([0x23], d, s);
  or = (d: number, s: number | Memory): void => this.int([0x0b], d, s);
  xor = (d: number, s: number | Memory): void => this.int([0x33], d, s);
  cmp = (d: number, s: number | Memory): void => this.int([0x3b], d, s);
  cmp32 = (d: number, s: number | Memory): void => this.int([0x3b], d, s, 0);
  imul = (d: number, s: number | Memory): void => this.int([0x0f, 0xaf], d, s);
  test = (d: number, s: number): void => this.int([0x85], s, d);
  xor32 = (d: number, s: number): void => this.int([0x33], d, s, 0);
  /** `kind` is the field of group 1: 0 add, 1 or, 4 and, 5 sub, 6 xor, 7 cmp. */
  immediate(kind: 0 | 1 | 4 | 5 | 6 | 7, d: number | Memory, v: number, w: 0 | 1 = 1): void {
    const short = v >= -128 && v <= 127;
    this.int([short ? 0x83 : 0x81], kind, d, w);
    if (short) this.byte(v);
    else this.#int32(v);
  }
  imulImmediate(d: number, s: number, v: number): void {
    this.int([0x69], d, s);
    this.#int32(v);
  }
  shiftImmediate(kind: "shl" | "shr", d: number, bits: number): void {
    this.int([0xc1], kind === "shl" ? 4 : 5, d);
    this.byte(bits);
  }
  divide = (s: number): void => this.int([0xf7], 6, s);
  decrement = (d: number): void => this.int([0xff], 1, d);
  cmov = (c: Condition, d: number, s: number): void => this.int([0x0f, 0x40 | conditions[c]], d, s);
  push(r: number): void {
    if (r > 7) this.byte(0x41);
    this.byte(0x50 | (r & 7));
  }
  pop(r: number): void {
    if (r > 7) this.byte(0x41);
    this.byte(0x58 | (r & 7));
  }
  jump(label: Label): void {
    this.byte(0xe9);
    this.#relative(label);
  }
  jumpIf(c: Condition, label: Label): void {
    this.byte(0x0f, 0x80 | conditions[c]);
    this.#relative(label);
  }
  call = (r: number): void => this.int([0xff], 2, r, 0);
  ret = (): void => this.byte(0xc3);
  pause = (): void => this.byte(0xf3, 0x90);
  /** edx:eax = the time stamp counter. */
  readTimeStamp = (): void => this.byte(0x0f, 0x31);
  syscall = (): void => this.byte(0x0f, 0x05);
  /** `lock xadd [d], s`: s gets the old value. */
  fetchAdd32(d: Memory, s: number): void {
    this.byte(0xf0);
    this.int([0x0f, 0xc1], s, d, 0);
  }
  exchange32 = (d: Memory, s: number): void => this.int([0x87], s, d, 0);
  /** Into the cache of this level. */
  prefetch = (s: Memory, level: 1 | 2): void => this.int([0x0f, 0x18], level, s, 0);
  vzeroupper = (): void => this.byte(0xc5, 0xf8, 0x77);

  /** The mask k1 gets the low bits of rax, rcx, …, rdi. */
  maskFrom = (s: number): void => this.byte(0xc5, 0xf8, 0x92, 0xc8 | s);

  /**
   * A vector instruction. `bits` is the vector's width, `a` the second operand (0 where there is none), `rm` the last.
   * `repeat` reads one 32-bit element of memory into all lanes (EVEX only).
   */
  vector(
    o: VectorOp,
    bits: 128 | 256 | 512,
    field: number,
    a: number,
    rm: number | Memory,
    how: VectorForm = {},
  ): void {
    const length = bits === 512 ? 2 : bits === 256 ? 1 : 0;
    const base = typeof rm === "number" ? rm : rm.base;
    const b = (base >> 3) & 1;
    const x = typeof rm === "number" ? (rm >> 4) & 1 : ((rm.index ?? 0) >> 3) & 1;
    const r = (field >> 3) & 1;
    const w = how.wide ? 1 : 0;
    if (this.evex) {
      const repeat = how.repeat ? 1 : 0;
      const high = (((field >> 4) & 1) ^ 1) << 4;
      this.byte(0x62, ((r ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | high | o.map);
      this.byte(
        (w << 7) | ((~a & 15) << 3) | 4 | o.prefix,
        (how.mask === "zero" ? 0x80 : 0) |
          (length << 5) |
          (repeat << 4) |
          ((((a >> 4) & 1) ^ 1) << 3) |
          (how.mask === undefined ? 0 : 1),
        o.opcode,
      );
      this.#modrm(field, rm, repeat || how.scalar ? 4 : (bits / 8) * (o.memory ?? 1));
    } else {
      const index = typeof rm === "number" ? 0 : x;
      this.byte(0xc4, ((r ^ 1) << 7) | ((index ^ 1) << 6) | ((b ^ 1) << 5) | o.map);
      this.byte((w << 7) | ((~a & 15) << 3) | (length << 2) | o.prefix, o.opcode);
      this.#modrm(field, rm);
    }
    const immediate = how.immediate ?? o.immediate;
    if (immediate !== undefined) this.byte(immediate);
  }
}

export interface VectorForm {
  readonly repeat?: boolean;
  /** The memory operand is one element whatever the width (broadcasts, scalar stores). */
  readonly scalar?: boolean;
  readonly wide?: boolean;
  /** Lanes that k1 leaves out become zero, or keep what they are (EVEX only). */
  readonly mask?: "zero" | "keep";
  readonly immediate?: number;
}
