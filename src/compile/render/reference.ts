/**
 * Tile program → plain JavaScript: the oracle of the other renderers. Each vector is a pair of views of the same lanes, each
 * instruction a loop over them, memory one buffer addressed in bytes.
 */
import { bitsFloat, floatBits, halfToFloat } from "../../core/half.ts";
import type { Address, F32Operand, I32Operand, Instruction, IntOperand, TileProgram, Var } from "../tile.ts";

export type ReferenceKernel = (memory: DataView, args: number, begin: number, end: number, scratch: number) => void;

const comparisons = { lt: "<", le: "<=", eq: "===", ne: "!==", ge: ">=", gt: ">" } as const;
const intOps = { add: "+", sub: "-", mul: "*", and: "&", or: "|", xor: "^" } as const;
const laneOps = { add: "+", sub: "-", mul: "*", div: "/", and: "&", or: "|", xor: "^" } as const;

export function renderReference(program: TileProgram): ReferenceKernel {
  const declared = new Set<string>();
  const body = new Writer(program.target.lanes, declared).block(program.body);
  const { args, begin, end, scratch } = program.inputs;
  const inputs = [args, begin, end, scratch].map((v) => `i${v.id}`);
  const source = [
    `const lanes = ${program.target.lanes};`,
    ...[...declared].filter((d) => !inputs.some((i) => d === `let ${i} = 0;`)),
    `return (memory, ${inputs.join(", ")}) => {`,
    body,
    "};",
  ].join("\n");
  const library = { half: halfToFloat, fma, roundEven, dot4, dotBf16, madd8, add16, min, max };
  return new Function(...Object.keys(library), source)(...Object.values(library)) as ReferenceKernel;
}

class Writer {
  readonly #lanes: number;
  readonly #declared: Set<string>;

  constructor(lanes: number, declared: Set<string>) {
    this.#lanes = lanes;
    this.#declared = declared;
  }

  block(body: readonly Instruction[]): string {
    return body.map((x) => this.#instruction(x)).join("\n");
  }

  #int(v: IntOperand): string {
    if (typeof v === "number") return `(${v})`;
    this.#declared.add(`let i${v.id} = 0;`);
    return `i${v.id}`;
  }

  /** The lanes of a vector: as f32 where `float`, else as i32. */
  #vec(v: Var, float = v.type === "f32"): string {
    this.#declared.add(`const f${v.id} = new Float32Array(lanes), n${v.id} = new Int32Array(f${v.id}.buffer);`);
    return `${float ? "f" : "n"}${v.id}`;
  }

  #at({ base, index, scale, offset }: Address): string {
    const scaled = index === undefined ? "" : ` + ${this.#int(index)} * ${scale ?? 1}`;
    return `${this.#int(base)}${scaled} + ${offset}`;
  }

  /** Lane `l` of an operand. */
  #lane(x: F32Operand | I32Operand, float: boolean): string {
    if (!("from" in x)) return `${this.#vec(x)}[l]`;
    const at = this.#at(x.at) + (x.from === "vector" ? " + 4 * l" : "");
    return `memory.get${float ? "Float" : "Int"}32(${at}, true)`;
  }

  #each(statement: string): string {
    return `for (let l = 0; l < ${this.#lanes}; l++) ${statement}`;
  }

  #instruction(x: Instruction): string {
    switch (x.op) {
      case "int":
        return `${this.#int(x.dst)} = ${x.value};`;
      case "copy":
        if (x.dst.type === "int") return `${this.#int(x.dst as IntOperand)} = ${this.#int(x.a as IntOperand)};`;
        return `${this.#vec(x.dst, false)}.set(${this.#vec(x.a, false)});`;
      case "intBinary":
        return `${this.#int(x.dst)} = ${this.#intBinary(x)};`;
      case "intLoad": {
        const getter = { u8: "getUint8", u16: "getUint16", i32: "getInt32", word: "getUint32" }[x.size];
        return `${this.#int(x.dst)} = memory.${getter}(${this.#at(x.at)}, true);`;
      }
      case "intStore":
        return `memory.${{ u8: "setUint8", u16: "setUint16", i32: "setInt32" }[x.size]}(${this.#at(x.at)}, ${this.#int(x.a)}, true);`;
      case "for": {
        const [i, to] = [this.#int(x.i), `to${x.i.id}`];
        const head = `const ${to} = ${this.#int(x.to)}; for (${i} = ${this.#int(x.from)}; ${i} < ${to}; ${i} += ${x.step}) {`;
        return `{ ${head}\n${this.block(x.body)}\n} }`;
      }
      case "if": {
        const condition = `${this.#int(x.a)} ${comparisons[x.comparison]} ${this.#int(x.b)}`;
        return `if (${condition}) {\n${this.block(x.whenTrue)}\n} else {\n${this.block(x.whenFalse)}\n}`;
      }
      case "prefetch":
        return "";
      default:
        return this.#vector(x);
    }
  }

  #intBinary({ kind, a, b }: Extract<Instruction, { op: "intBinary" }>): string {
    const [left, right] = [this.#int(a), this.#int(b)];
    if (kind === "min" || kind === "max") return `Math.${kind}(${left}, ${right})`;
    if (kind === "div") return `Math.trunc(${left} / ${right})`;
    if (kind === "rem") return `${left} % ${right}`;
    if (kind === "shl") return `${left} * 2 ** ${right}`;
    if (kind === "shr") return `Math.floor(${left} / 2 ** ${right})`;
    return `${left} ${intOps[kind]} ${right}`;
  }

  #vector(x: VectorInstruction): string {
    switch (x.op) {
      case "load":
        return this.#load(x);
      case "loadPart": {
        const value = `l < ${x.count} ? memory.getInt32(${this.#at(x.at)} + 4 * l, true) : 0`;
        return this.#each(`${this.#vec(x.dst, false)}[l] = ${value};`);
      }
      case "broadcast":
        return `${this.#vec(x.dst, false)}.fill(memory.getInt32(${this.#at(x.at)}, true));`;
      case "splat":
        return `${this.#vec(x.dst)}.fill(${this.#int(x.a)} | 0);`;
      case "constant":
        // By its bits: the text of a negative zero has no sign.
        return `${this.#vec(x.dst, false)}.fill(${x.dst.type === "f32" ? floatBits(x.value) : x.value});`;
      case "store":
      case "storePart":
      case "storeLane":
      case "storeI8":
      case "storeI16":
        return this.#store(x);
      case "f32Binary": {
        const [a, b] = [`${this.#vec(x.a)}[l]`, this.#lane(x.b, true)];
        const value = x.kind === "min" || x.kind === "max" ? `${x.kind}(${a}, ${b})` : `${a} ${laneOps[x.kind]} ${b}`;
        return this.#each(`${this.#vec(x.dst)}[l] = ${value};`);
      }
      case "fma":
      case "dot4":
      case "dotBf16":
      case "andOr":
        return this.#accumulate(x);
      case "shuffle":
        return this.#shuffle(x);
      case "f32Unary": {
        const f = x.kind === "sqrt" ? "Math.sqrt" : "roundEven";
        return this.#each(`${this.#vec(x.dst)}[l] = ${f}(${this.#vec(x.a)}[l]);`);
      }
      case "i32Binary":
        return this.#each(`${this.#vec(x.dst)}[l] = ${this.#i32Binary(x)};`);
      case "i32Shift":
        return this.#each(`${this.#vec(x.dst)}[l] = ${shift(x.kind, `${this.#vec(x.a)}[l]`, x.bits)};`);
      case "compare": {
        const test = `${this.#vec(x.a)}[l] ${comparisons[x.kind]} ${this.#vec(x.b)}[l]`;
        return this.#each(`${this.#vec(x.dst)}[l] = ${test} ? -1 : 0;`);
      }
      case "toI32":
        return this.#each(`${this.#vec(x.dst)}[l] = roundEven(${this.#vec(x.a)}[l]);`);
      case "toF32":
        return this.#each(`${this.#vec(x.dst)}[l] = ${this.#vec(x.a)}[l];`);
      case "bits":
        return `${this.#vec(x.dst, false)}.set(${this.#vec(x.a, false)});`;
      case "reduce":
        return this.#reduce(x);
    }
  }

  #accumulate(x: Extract<Instruction, { op: "fma" | "dot4" | "dotBf16" | "andOr" }>): string {
    const [d, a, b] = [`${this.#vec(x.dst)}[l]`, `${this.#vec(x.a)}[l]`, this.#lane(x.b, x.op === "fma")];
    const sums = {
      fma: `fma(${a}, ${b}, ${d})`,
      dot4: `${d} + dot4(${a}, ${b})`,
      dotBf16: `dotBf16(${d}, ${a}, ${b})`,
      andOr: `${d} | (${a} & ${b})`,
    };
    return this.#each(`${d} = ${sums[x.op]};`);
  }

  #store(x: Extract<Instruction, { op: "store" | "storePart" | "storeLane" | "storeI8" | "storeI16" }>): string {
    switch (x.op) {
      case "store":
        return this.#each(`memory.setInt32(${this.#at(x.at)} + 4 * l, ${this.#vec(x.a, false)}[l], true);`);
      case "storePart":
        return this.#each(
          `if (l < ${x.count}) memory.setInt32(${this.#at(x.at)} + 4 * l, ${this.#vec(x.a, false)}[l], true);`,
        );
      case "storeLane":
        return `memory.setInt32(${this.#at(x.at)}, ${this.#vec(x.a, false)}[0], true);`;
      case "storeI8":
        return this.#each(`memory.setInt8(${this.#at(x.at)} + l, ${this.#vec(x.a)}[l]);`);
      case "storeI16":
        return this.#each(`memory.setInt16(${this.#at(x.at)} + 2 * l, ${this.#vec(x.a)}[l], true);`);
    }
  }

  /** As integers where nothing is converted: a NaN passes with the bits that it has. */
  #load({ at, as, dst }: Extract<Instruction, { op: "load" }>): string {
    const place = (bytes: number): string => `${this.#at(at)} + ${bytes} * l`;
    const value = {
      "32": `memory.getInt32(${place(4)}, true)`,
      u8: `memory.getUint8(${place(1)})`,
      i8: `memory.getInt8(${place(1)})`,
      f16: `half(memory.getUint16(${place(2)}, true))`,
      bf16: `memory.getUint16(${place(2)}, true) << 16`,
    }[as];
    return this.#each(`${this.#vec(dst, as === "f16")}[l] = ${value};`);
  }

  /** Which lane of a (or, from `lanes` on, of b) each lane is. */
  #shuffle({ kind, dst, a, b }: Extract<Instruction, { op: "shuffle" }>): string {
    const both = `const both = [...${this.#vec(a, false)}, ...${this.#vec(b, false)}];`;
    const lanes = this.#lanes;
    const from = Array.from({ length: lanes }, (_, l) => {
      if (kind === "evenFours" || kind === "oddFours") {
        return 8 * Math.floor(l / 4) + (l % 4) + (kind === "oddFours" ? 4 : 0);
      }
      const single = kind === "low" || kind === "high";
      const inFour = single ? (l % 4) >> 1 : l % 2;
      const second = single ? l % 2 : (l % 4) >> 1;
      return (l & ~3) + inFour + (kind.startsWith("high") ? 2 : 0) + second * lanes;
    });
    return `{ ${both} ${this.#vec(dst, false)}.set([${from}].map((i) => both[i])); }`;
  }

  #i32Binary({ kind, a, b }: Extract<Instruction, { op: "i32Binary" }>): string {
    const [left, right] = [`${this.#vec(a)}[l]`, this.#lane(b, false)];
    if (kind === "min" || kind === "max") return `Math.${kind}(${left}, ${right})`;
    if (kind === "mul") return `Math.imul(${left}, ${right})`;
    if (kind === "madd8" || kind === "add16") return `${kind}(${left}, ${right})`;
    if (kind !== "madd16") return `${left} ${laneOps[kind]} ${right}`;
    const half = (v: string, high: boolean): string => (high ? `(${v} >> 16)` : `(${v} << 16 >> 16)`);
    return `${half(left, false)} * ${half(right, false)} + ${half(left, true)} * ${half(right, true)}`;
  }

  /** A butterfly, as on the machines: each level folds every lane with its partner, so all lanes end equal. */
  #reduce({ kind, dst, a }: Extract<Instruction, { op: "reduce" }>): string {
    const d = this.#vec(dst);
    const fold = kind === "add" ? "old[l] + old[l ^ half]" : "max(old[l], old[l ^ half])";
    const level = `const old = ${d}.slice(); ${this.#each(`${d}[l] = ${fold};`)}`;
    const start = `${this.#vec(dst, false)}.set(${this.#vec(a, false)});`;
    return `${start} for (let half = ${this.#lanes / 2}; half >= 1; half /= 2) { ${level} }`;
  }
}

type Scalar = "int" | "copy" | "intBinary" | "intLoad" | "intStore" | "for" | "if" | "prefetch";
type VectorInstruction = Exclude<Instruction, { op: Scalar }>;

function shift(kind: "shl" | "shr" | "sar" | "shr16", v: string, bits: number): string {
  if (kind === "shl") return `${v} << ${bits}`;
  if (kind === "sar") return `${v} >> ${bits}`;
  if (kind === "shr") return `${v} >>> ${bits}`;
  return `((${v} & 0xffff) >>> ${bits}) | (((${v} >>> 16) >>> ${bits}) << 16)`;
}

function roundEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 23)) return x;
  const r = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** As x86 has them: the second operand where neither is less, as of two zeros, or where one is NaN. */
const min = (a: number, b: number): number => (a < b ? a : b);
const max = (a: number, b: number): number => (a > b ? a : b);

/** a × b + c of f32 values, rounded once: the double's rounding is corrected where it fell halfway between two f32. */
function fma(a: number, b: number, c: number): number {
  const product = a * b;
  const sum = product + c;
  const near = Math.fround(sum);
  const rest = sum - near;
  const other = near + 2 * rest;
  if (rest === 0 || Math.fround(other) !== other) return near;
  const part = sum - product;
  const error = product - (sum - part) + (c - part);
  return error !== 0 && error > 0 === other > near ? other : near;
}

/** The products of the high bf16 halves, then of the low ones, each sum rounded once. */
function dotBf16(sum: number, a: number, b: number): number {
  const high = fma(bitsFloat(a & 0xffff0000), bitsFloat(b & 0xffff0000), sum);
  return fma(bitsFloat(a << 16), bitsFloat(b << 16), high);
}

/** Four products of a's unsigned bytes and b's signed ones. */
function dot4(a: number, b: number): number {
  let sum = 0;
  for (let shift = 0; shift < 32; shift += 8) sum += ((a >>> shift) & 255) * ((b << (24 - shift)) >> 24);
  return sum;
}

/** Each half: two products of a's unsigned bytes and b's signed ones. */
const madd8 = (a: number, b: number): number =>
  (dot4(a & 0xffff, b & 0xffff) & 0xffff) | (dot4(a & ~0xffff, b & ~0xffff) << 16);

const add16 = (a: number, b: number): number => ((a + b) & 0xffff) | (((a >>> 16) + (b >>> 16)) << 16);
