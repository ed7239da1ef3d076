/**
 * A listing of machine code: addresses, bytes, mnemonics and operands, in the syntax of the Intel SDM.
 *
 * It reads back the bytes that the assembler wrote, and knows the instructions that the assembler has: so code that nobody
 * asks to see pays nothing, and what is shown is what runs.
 */
import { assert } from "../../core/errors.ts";

export interface Listed {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly mnemonic: string;
  /** Separated by commas; targets of jumps are addresses in the listing. */
  readonly operands: string;
}

/** The instructions of `code`, as if it began at address 0. */
export function listing(code: Uint8Array): readonly Listed[] {
  const out: Listed[] = [];
  for (let at = 0; at < code.length; ) {
    const reader = new Reader(code, at);
    const [mnemonic, ...operands] = reader.instruction();
    out.push({
      address: at,
      bytes: code.subarray(at, reader.at),
      mnemonic,
      operands: operands.join(","),
    });
    at = reader.at;
  }
  return out;
}

/** One line an instruction: `  1c:  62 f1 7c 48 58 c1     vaddps zmm0,zmm0,zmm1`. */
export function printListing(code: Uint8Array): string {
  const widest = 3 * 11;
  return listing(code)
    .map(({ address, bytes, mnemonic, operands }) => {
      const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
      return `${address.toString(16).padStart(5)}:  ${hex.padEnd(widest)} ${`${mnemonic.padEnd(11)} ${operands}`.trimEnd()}`;
    })
    .join("\n");
}

const names64 = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
const names32 = names64.map((n, i) => (i < 8 ? `e${n.slice(1)}` : `${n}d`));
const names16 = names64.map((n, i) => (i < 8 ? n.slice(1) : `${n}w`));
const names8 = names64.map((n, i) => (i < 4 ? `${n[1]}l` : i < 8 ? `${n.slice(1)}l` : `${n}b`));
const conditions = "o no b ae e ne be a s ns p np l ge le g".split(" ");
const group1 = "add or adc sbb and sub xor cmp".split(" ");
const shifts = "rol ror rcl rcr shl shr shl sar".split(" ");
const sizes: Readonly<Record<number, string>> = {
  1: "BYTE",
  2: "WORD",
  4: "DWORD",
  8: "QWORD",
  16: "XMMWORD",
  32: "YMMWORD",
  64: "ZMMWORD",
};

/** `register arithmetic, operand` by opcode; one more byte, 0F, where the opcode is above 255. */
const binary: Readonly<Record<number, string>> = {
  3: "add",
  11: "or",
  35: "and",
  43: "sub",
  51: "xor",
  59: "cmp",
  139: "mov",
  431: "imul",
};

const plain: Readonly<Record<number, string>> = { 144: "nop", 195: "ret", 261: "syscall", 305: "rdtsc", 418: "cpuid" };

const hex = (n: number | bigint): string => (n < 0 ? `-0x${(-n).toString(16)}` : `0x${n.toString(16)}`);

/** What the bytes after an opcode say: a register's number, or memory. */
type Operand = { readonly register: number } | { readonly memory: string };

interface Extension {
  readonly w: number;
  readonly r: number;
  readonly x: number;
  readonly b: number;
}

class Reader {
  readonly #code: Uint8Array;
  readonly #view: DataView;
  at: number;

  constructor(code: Uint8Array, at: number) {
    this.#code = code;
    this.#view = new DataView(code.buffer, code.byteOffset, code.length);
    this.at = at;
  }

  #byte(): number {
    const value = this.#code[this.at++];
    assert(value !== undefined, () => "machine code ends within an instruction");
    return value;
  }

  #int8 = (): number => (this.#byte() << 24) >> 24;

  #int32(): number {
    this.at += 4;
    return this.#view.getInt32(this.at - 4, true);
  }

  /** Mnemonic and operands. */
  instruction(): readonly [string, ...string[]] {
    const first = this.#code[this.at];
    if (first === 0x62 || first === 0xc4 || first === 0xc5) return this.#vector();
    let [lock, repeat, narrow] = [false, false, false];
    for (;;) {
      const prefix = this.#code[this.at];
      if (prefix === 0xf0) lock = true;
      else if (prefix === 0xf3) repeat = true;
      else if (prefix === 0x66) narrow = true;
      else break;
      this.at++;
    }
    let rex: Extension = { w: 0, r: 0, x: 0, b: 0 };
    const byte = this.#code[this.at]!;
    if (byte >> 4 === 4) {
      this.at++;
      rex = { w: (byte >> 3) & 1, r: (byte >> 2) & 1, x: (byte >> 1) & 1, b: byte & 1 };
    }
    const first8 = this.#byte();
    const opcode = first8 === 0x0f ? 0x100 | this.#byte() : first8;
    if (repeat && opcode === 0x90) return ["pause"];
    const [mnemonic, ...operands] = this.#integer(opcode, rex, narrow);
    return [lock ? `lock ${mnemonic}` : mnemonic, ...operands];
  }

  /** ModRM and what follows; `unit` scales a displacement of 8 bits. */
  #modrm(e: Extension, unit = 1): { readonly field: number; readonly operand: Operand } {
    const modrm = this.#byte();
    const [mod, field, rm] = [modrm >> 6, ((modrm >> 3) & 7) | (e.r << 3), modrm & 7];
    if (mod === 3) return { field, operand: { register: rm | (e.b << 3) } };
    let [base, index]: [number, string] = [rm | (e.b << 3), ""];
    if (rm === 4) {
      const sib = this.#byte();
      const scaled = ((sib >> 3) & 7) | (e.x << 3);
      base = (sib & 7) | (e.b << 3);
      if (scaled !== 4) index = `+${names64[scaled]}*${1 << (sib >> 6)}`;
    }
    assert(mod !== 0 || (base & 7) !== 5, () => "an address without a base");
    const offset = mod === 0 ? 0 : mod === 1 ? this.#int8() * unit : this.#int32();
    const displaced = mod === 0 ? "" : offset < 0 ? hex(offset) : `+${hex(offset)}`;
    return { field, operand: { memory: `[${names64[base]}${index}${displaced}]` } };
  }

  #integer(opcode: number, rex: Extension, narrow: boolean): readonly [string, ...string[]] {
    const simple = plain[opcode];
    if (simple !== undefined) return [simple];
    if (opcode >> 3 === 0x50 >> 3) return ["push", names64[(opcode & 7) | (rex.b << 3)]!];
    if (opcode >> 3 === 0x58 >> 3) return ["pop", names64[(opcode & 7) | (rex.b << 3)]!];
    if (opcode === 0xe9) return ["jmp", this.#target()];
    if (opcode >> 4 === 0x18) return [`j${conditions[opcode & 15]}`, this.#target()];
    if (opcode === 0x101) {
      assert(this.#byte() === 0xd0, () => "an unknown instruction of group 7");
      return ["xgetbv"];
    }
    const size = rex.w ? 8 : narrow ? 2 : 4;
    const names = rex.w ? names64 : narrow ? names16 : names32;
    const { field, operand } = this.#modrm(rex);
    const register = names[field]!;
    const whole = text(operand, size, names);
    const named = binary[opcode];
    if (named !== undefined) return [named, register, whole];
    if (opcode >> 4 === 0x14) return [`cmov${conditions[opcode & 15]}`, register, whole];
    switch (opcode) {
      case 0x89:
        return ["mov", whole, register];
      case 0x88:
        return ["mov", text(operand, 1, names8), names8[field]!];
      case 0x87:
        return ["xchg", whole, register];
      case 0x85:
        return ["test", whole, register];
      case 0x8d:
        return ["lea", register, "memory" in operand ? operand.memory : whole];
      case 0x63:
        return ["movsxd", register, text(operand, 4, names32)];
      case 0x1b6:
        return ["movzx", register, text(operand, 1, names8)];
      case 0x1b7:
        return ["movzx", register, text(operand, 2, names16)];
      case 0x1c1:
        return ["xadd", whole, register];
      case 0x69:
        return ["imul", register, whole, hexOf(this.#int32(), size)];
      case 0xc7:
        return ["mov", whole, hexOf(this.#int32(), size)];
      case 0x81:
        return [group1[field & 7]!, whole, hexOf(this.#int32(), size)];
      case 0x83:
        return [group1[field & 7]!, whole, hexOf(this.#int8(), size)];
      case 0xc1:
        return [shifts[field & 7]!, whole, hex(this.#byte())];
      default:
        return this.#group(opcode, field & 7, operand, whole);
    }
  }

  /** Instructions whose register field is a part of the opcode. */
  #group(opcode: number, field: number, operand: Operand, whole: string): readonly [string, ...string[]] {
    if (opcode === 0xf7 && field === 6) return ["div", whole];
    if (opcode === 0xff && field === 1) return ["dec", whole];
    if (opcode === 0xff && field === 2 && "register" in operand) return ["call", names64[operand.register]!];
    const known = opcode === 0x118 && (field === 1 || field === 2);
    assert(known, () => `the listing does not know opcode ${opcode.toString(16)} /${field}`);
    return [`prefetcht${field - 1}`, text(operand, 1, names8)];
  }

  #target(): string {
    const distance = this.#int32();
    return hex(this.at + distance);
  }

  /** VEX (C4, C5) and EVEX (62): Intel SDM, volume 2, §2.3 and §2.7. */
  #vector(): readonly [string, ...string[]] {
    const kind = this.#byte();
    const p0 = this.#byte();
    const p1 = this.#byte();
    if (kind === 0xc5) {
      // The assembler has two instructions with the short prefix.
      assert(p0 === 0xf8 && (p1 === 0x77 || p1 === 0x92), () => "an unknown instruction with a short VEX prefix");
      return p1 === 0x77 ? ["vzeroupper"] : ["kmovw", "k1", names32[this.#byte() & 7]!];
    }
    const evex = kind === 0x62;
    const p2 = evex ? this.#byte() : 0;
    const opcode = this.#byte();
    const key = `${p0 & (evex ? 7 : 31)}.${p1 & 3}.${opcode.toString(16)}`;
    const field = (this.#code[this.at]! >> 3) & 7;
    const form = vectorForms[key] ?? vectorForms[`${key}/${field}`];
    assert(
      form !== undefined,
      () => `the listing does not know the vector instruction ${key} /${field}; vectorForms has the others`,
    );
    const [name, ...places] = form.split(" ") as [string, ...string[]];
    const width = 16 << (evex ? (p2 >> 5) & 3 : (p1 >> 2) & 1);
    const repeat = ((p2 >> 4) & 1) === 1;
    const last = places.find((place) => place in lastBytes)!;
    const bytes = repeat ? 4 : lastBytes[last as keyof typeof lastBytes](width);
    const extension = { w: p1 >> 7, r: (~p0 >> 7) & 1, x: (~p0 >> 6) & 1, b: (~p0 >> 5) & 1 };
    const modrm = this.#modrm(extension, evex ? bytes : 1);
    const high = evex
      ? { field: ~p0 & 16, second: (~p2 << 1) & 16, last: extension.x << 4 }
      : { field: 0, second: 0, last: 0 };
    let predicate = "";
    const operands = places.flatMap((place) => {
      if (place === "cmp") {
        predicate = predicates[this.#byte()]!;
        return [];
      }
      if (place === "reg" && evex && places.includes("cmp")) return `k${modrm.field}`;
      if (place === "reg") return vectorName(modrm.field | high.field, width);
      if (place === "regx") return vectorName(modrm.field | high.field, 16);
      if (place === "vvvv") return vectorName((~(p1 >> 3) & 15) | high.second, width);
      if (place === "imm") return hex(this.#byte());
      if ("memory" in modrm.operand) return `${sizes[bytes]} ${repeat ? "BCST" : "PTR"} ${modrm.operand.memory}`;
      const { register } = modrm.operand;
      if (place === "krm") return `k${register}`;
      return place === "gpr" ? names32[register]! : vectorName(register | high.last, Math.max(16, bytes));
    });
    const masked = evex && (p2 & 7) !== 0 ? `{k${p2 & 7}}${p2 >> 7 === 1 ? "{z}" : ""}` : "";
    return [
      ((evex && evexNames[name]) || name).replace("?", predicate),
      `${operands[0]}${masked}`,
      ...operands.slice(1),
    ];
  }
}

const vectorName = (register: number, bytes: number): string => `${{ 16: "x", 32: "y", 64: "z" }[bytes]}mm${register}`;

function text(operand: Operand, size: number, names: readonly string[]): string {
  return "register" in operand ? names[operand.register]! : `${sizes[size]} PTR ${operand.memory}`;
}

/** An immediate as its operand is wide: -1 in 32 bits is 0xffffffff. */
function hexOf(value: number, size: number): string {
  return hex(value < 0 ? BigInt.asUintN(8 * size, BigInt(value)) : value);
}

/** Of comparisons, by their immediate. */
const predicates = ["eq", "lt", "le", "unord", "neq"] as const;

/** Bytes that the last operand has in memory, of a vector of `width` bytes. */
const lastBytes = {
  rm: (width: number): number => width,
  "rm/2": (width: number): number => width / 2,
  "rm/4": (width: number): number => width / 4,
  rm4: (): number => 4,
  rm8: (): number => 8,
  gpr: (): number => 4,
  krm: (): number => 4,
} as const;

/**
 * By map, prefix and opcode (and field, where that is part of the opcode): the name, and what the operands are.
 * `reg` and `rm` are those of ModRM, `vvvv` that of the prefix; `regx` is an xmm register whatever the width.
 */
const vectorForms: Readonly<Record<string, string>> = {
  "1.0.10": "vmovups reg rm",
  "1.0.11": "vmovups rm reg",
  "1.0.14": "vunpcklps reg vvvv rm",
  "1.0.15": "vunpckhps reg vvvv rm",
  "1.0.28": "vmovaps reg rm",
  "1.0.51": "vsqrtps reg rm",
  "1.0.58": "vaddps reg vvvv rm",
  "1.0.59": "vmulps reg vvvv rm",
  "1.0.5b": "vcvtdq2ps reg rm",
  "1.0.5c": "vsubps reg vvvv rm",
  "1.0.5d": "vminps reg vvvv rm",
  "1.0.5e": "vdivps reg vvvv rm",
  "1.0.5f": "vmaxps reg vvvv rm",
  "1.1.14": "vunpcklpd reg vvvv rm",
  "1.1.15": "vunpckhpd reg vvvv rm",
  "1.1.5b": "vcvtps2dq reg rm",
  "1.1.63": "vpacksswb reg vvvv rm",
  "1.1.6b": "vpackssdw reg vvvv rm",
  "1.1.6e": "vmovd regx gpr",
  "1.1.71/2": "vpsrlw vvvv rm imm",
  "1.1.71/4": "vpsraw vvvv rm imm",
  "1.1.71/6": "vpsllw vvvv rm imm",
  "1.1.72/2": "vpsrld vvvv rm imm",
  "1.1.72/4": "vpsrad vvvv rm imm",
  "1.1.72/6": "vpslld vvvv rm imm",
  "1.1.73/3": "vpsrldq vvvv rm imm",
  "1.1.76": "vpcmpeqd reg vvvv rm",
  "1.1.7e": "vmovd gpr regx",
  "1.1.d6": "vmovq rm8 regx",
  "1.1.db": "vpand reg vvvv rm",
  "1.1.eb": "vpor reg vvvv rm",
  "1.1.ef": "vpxor reg vvvv rm",
  "1.1.f5": "vpmaddwd reg vvvv rm",
  "1.1.fa": "vpsubd reg vvvv rm",
  "1.1.fd": "vpaddw reg vvvv rm",
  "1.1.fe": "vpaddd reg vvvv rm",
  "1.2.11": "vmovss rm4 regx",
  "2.1.4": "vpmaddubsw reg vvvv rm",
  "2.1.13": "vcvtph2ps reg rm/2",
  "2.1.18": "vbroadcastss reg rm4",
  "2.1.21": "vpmovsxbd reg rm/4",
  "2.1.2c": "vmaskmovps reg vvvv rm",
  "2.1.2e": "vmaskmovps rm vvvv reg",
  "2.1.31": "vpmovzxbd reg rm/4",
  "2.1.33": "vpmovzxwd reg rm/2",
  "1.0.c2": "vcmp?ps reg vvvv rm cmp",
  "1.1.66": "vpcmpgtd reg vvvv rm",
  "2.1.39": "vpminsd reg vvvv rm",
  "2.1.40": "vpmulld reg vvvv rm",
  "2.2.38": "vpmovm2d reg krm",
  "3.1.1f": "vpcmp?d reg vvvv rm cmp",
  "2.1.3d": "vpmaxsd reg vvvv rm",
  "2.1.50": "vpdpbusd reg vvvv rm",
  "2.1.7c": "vpbroadcastd reg gpr",
  "2.1.b8": "vfmadd231ps reg vvvv rm",
  "2.2.31": "vpmovdb rm/4 reg",
  "2.2.33": "vpmovdw rm/2 reg",
  "2.2.52": "vdpbf16ps reg vvvv rm",
  "3.1.4": "vpermilps reg rm imm",
  "3.1.6": "vperm2f128 reg vvvv rm imm",
  "3.1.8": "vroundps reg rm imm",
  "3.1.19": "vextractf128 rm/2 reg imm",
  "3.1.25": "vpternlogd reg vvvv rm imm",
  "3.1.23": "vshuff32x4 reg vvvv rm imm",
};

/** Where EVEX has another name for the same opcode. */
const evexNames: Readonly<Record<string, string>> = {
  vpand: "vpandd",
  vpor: "vpord",
  vpxor: "vpxord",
  vroundps: "vrndscaleps",
};
