/** Writing WebAssembly modules (core specification 2.0 with threads and relaxed SIMD): functions, sections, LEB128. */
export const valueType = { i32: 0x7f, v128: 0x7b } as const;
const empty = 0x40;

export function unsigned(n: number): number[] {
  const out: number[] = [];
  do {
    const byte = n % 128;
    n = Math.floor(n / 128);
    out.push(n > 0 ? byte | 128 : byte);
  } while (n > 0);
  return out;
}

export function signed(n: number): number[] {
  const out: number[] = [];
  for (;;) {
    const byte = n & 127;
    n >>= 7;
    if ((n === 0 && !(byte & 64)) || (n === -1 && byte & 64)) return [...out, byte];
    out.push(byte | 128);
  }
}

/** A function under construction: parameters are the first locals, all i32. */
export class FunctionWriter {
  readonly #code: number[] = [];
  readonly #locals: number[] = [];
  readonly #parameters: number;

  constructor(parameters: number) {
    this.#parameters = parameters;
  }

  local(type: keyof typeof valueType): number {
    return this.#parameters + this.#locals.push(valueType[type]) - 1;
  }

  op(...bytes: readonly number[]): this {
    this.#code.push(...bytes);
    return this;
  }
  get = (local: number): this => this.op(0x20, ...unsigned(local));
  set = (local: number): this => this.op(0x21, ...unsigned(local));
  tee = (local: number): this => this.op(0x22, ...unsigned(local));
  i32 = (value: number): this => this.op(0x41, ...signed(value | 0));
  simd = (opcode: number): this => this.op(0xfd, ...unsigned(opcode));
  atomic = (opcode: number, offset: number): this => this.op(0xfe, opcode, 2, ...unsigned(offset));
  /** Pops a vector into the module's global. */
  setSink = (): this => this.op(0x24, 0);
  /** An access with a constant offset; no alignment is promised, except to atomics. */
  memory = (opcode: readonly number[], offset: number): this => this.op(...opcode, 0, ...unsigned(offset));
  block = (): this => this.op(0x02, empty);
  loop = (): this => this.op(0x03, empty);
  if = (): this => this.op(0x04, empty);
  else = (): this => this.op(0x05);
  end = (): this => this.op(0x0b);
  br = (depth: number): this => this.op(0x0c, ...unsigned(depth));
  brIf = (depth: number): this => this.op(0x0d, ...unsigned(depth));

  body(): number[] {
    const runs: number[][] = [];
    for (let i = 0; i < this.#locals.length; ) {
      let n = i;
      while (n < this.#locals.length && this.#locals[n] === this.#locals[i]) n++;
      runs.push([...unsigned(n - i), this.#locals[i]!]);
      i = n;
    }
    const code = [...vector(runs), ...this.#code, 0x0b];
    return [...unsigned(code.length), ...code];
  }
}

const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const text = (s: string): number[] => [...unsigned(s.length), ...new TextEncoder().encode(s)];

export interface ModuleParts {
  /** Functions of `parameters` i32 parameters and no result. */
  readonly functions: readonly { readonly parameters: number; readonly body: readonly number[] }[];
  /** Exported names, by function index. */
  readonly exports: ReadonlyMap<string, number>;
  /** Pages of the imported shared memory `env.memory`, at most. */
  readonly pagesMax: number;
  /** Puts all functions into the imported table `env.table`, from this index on. */
  readonly tableBase?: number;
}

export function writeModule({ functions, exports, pagesMax, tableBase }: ModuleParts): Uint8Array<ArrayBuffer> {
  const section = (id: number, bytes: readonly number[]): number[] => [id, ...unsigned(bytes.length), ...bytes];
  const arities = [...new Set(functions.map((f) => f.parameters).concat(4))];
  const types = arities.map((n) => [0x60, ...vector(Array.from({ length: n }, () => [valueType.i32])), 0]);
  const imports = [
    [...text("env"), ...text("memory"), 2, 3, ...unsigned(1), ...unsigned(pagesMax)],
    [...text("env"), ...text("table"), 1, 0x70, 0, ...unsigned(0)],
  ];
  const exported = [...exports].map(([name, index]) => [...text(name), 0, ...unsigned(index)]);
  const elements =
    tableBase === undefined
      ? []
      : section(9, vector([[0, 0x41, ...signed(tableBase), 0x0b, ...vector(functions.map((_, i) => unsigned(i)))]]));
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector(imports)),
    ...section(3, vector(functions.map((f) => unsigned(arities.indexOf(f.parameters))))),
    // One global, a vector that nobody reads.
    ...section(6, vector([[valueType.v128, 1, 0xfd, 12, ...new Array<number>(16).fill(0), 0x0b]])),
    ...section(7, vector(exported)),
    ...elements,
    ...section(10, vector(functions.map((f) => f.body))),
  ]);
}

/** The type index of a kernel in a module whose functions have these arities. */
export const kernelType = (functions: readonly { readonly parameters: number }[]): number =>
  [...new Set(functions.map((f) => f.parameters).concat(4))].indexOf(4);
