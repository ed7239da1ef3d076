/**
 * What a call cannot do without: the bytes it must read and write, and the operations of its products. Counted from the
 * program and the layouts alone, so a measured time becomes a rate that can be held against the machine's.
 */
import { assert } from "../core/errors.ts";
import type { Dim } from "../graph/ir.ts";
import type { Argument } from "./lower.ts";
import type { Program, ScheduledCall } from "./schedule.ts";
import type { Instruction } from "./tile.ts";

/** The tokens of each sequence begin at position `start`. */
export interface StepShape {
  readonly sequences: readonly { readonly start: number; readonly tokens: number }[];
  readonly rows: number;
}

/** What a program does not know of its weights and its cache. */
export interface Sizes {
  /** Of a weight as packed, several of them in one where the program joined them. */
  weightBytes(name: string): number;
  /** Of a weight of the checkpoint. */
  weightShape(name: string): readonly number[];
  /** Keys and values of one position in one layer. */
  readonly positionBytes: number;
}

/** What a kernel multiplies with; a machine has a peak for each. */
export type Arithmetic = "f32" | "bf16" | "int8";

export interface Work {
  readonly bytes: number;
  /** Multiplications and additions of matrix products and attention; what is done element by element is not counted. */
  readonly operations: number;
  readonly arithmetic: Arithmetic;
}

export function workOf(program: Program, call: ScheduledCall, step: StepShape, sizes: Sizes): Work {
  // What shares of an attention leave for each other is no more than how it is computed.
  if (call.args.some((a) => a.kind === "partials" && !a.written)) return { bytes: 0, operations: 0, arithmetic: "f32" };
  const tokens = step.sequences.reduce((n, s) => n + s.tokens, 0);
  const extent = (dim: Dim): number => (dim === "T" ? tokens : dim === "S" ? step.rows : dim);
  const written = call.args.find((a) => a.kind === "buffer" && a.written);
  const rowsOf = written?.kind === "buffer" ? program.buffers[written.id]!.rows : "T";
  const rows = extent(rowsOf);
  const bufferBytes = (id: number): number => {
    const { rows: all, rowBytes } = program.buffers[id]!;
    // What gives output rows reads no others of the tokens.
    return extent(rowsOf === "S" && all === "T" ? "S" : all) * rowBytes;
  };
  const elements = (a: Extract<Argument, { kind: "weight" }>): number =>
    (a.parts ?? [a.name]).reduce((n, name) => n + sizes.weightShape(name).reduce((x, y) => x * y, 1), 0);
  const bytesOf = (a: Argument): number => {
    if (a.kind === "buffer") return bufferBytes(a.id);
    if (a.kind !== "weight") return 0;
    // An embedding reads only the rows of its tokens.
    const whole = sizes.weightBytes(a.name);
    return call.op === "embed" ? (whole / elements(a)) * tokens * sizes.weightShape(a.name).at(-1)! : whole;
  };
  const cache = cacheWork(program, call, step, sizes);
  const products = call.args.reduce((n, a) => {
    if (a.kind !== "weight" || call.op === "embed" || call.op === "rmsNorm") return n;
    return sizes.weightShape(a.parts?.[0] ?? a.name).length === 2 ? n + 2 * rows * elements(a) : n;
  }, 0);
  return {
    bytes: call.args.reduce((n, a) => n + bytesOf(a), cache.bytes),
    operations: products + cache.operations,
    arithmetic: arithmeticOf(program.kernels[call.kernel]!.body) ?? "f32",
  };
}

/** Each position that some token sees is read once; each pair of a token and a position is 2 C operations twice a head. */
function cacheWork(
  program: Program,
  call: ScheduledCall,
  { sequences }: StepShape,
  { positionBytes }: Sizes,
): { readonly bytes: number; readonly operations: number } {
  const arg = call.args.find((a) => a.kind === "cache");
  if (arg?.kind !== "cache") return { bytes: 0, operations: 0 };
  const tokens = sequences.reduce((n, s) => n + s.tokens, 0);
  if (call.op === "cacheStore") return { bytes: tokens * positionBytes, operations: 0 };
  const shape = program.caches.find((c) => c.layer === arg.layer);
  assert(shape !== undefined, () => `layer ${arg.layer} has no cache`);
  const { heads, width, window = Number.POSITIVE_INFINITY } = shape;
  let [positions, pairs] = [0, 0];
  for (const { start, tokens: count } of sequences) {
    positions += start + count - Math.max(0, start + 1 - window);
    for (let i = 0; i < count; i++) pairs += Math.min(start + i + 1, window);
  }
  return { bytes: positions * positionBytes, operations: 4 * pairs * heads * width };
}

/** The narrowest numbers that a kernel multiplies many of at once. */
function arithmeticOf(body: readonly Instruction[]): Arithmetic | undefined {
  const found = body.map((x) => {
    if (x.op === "for") return arithmeticOf(x.body);
    if (x.op === "if") return arithmeticOf([...x.whenTrue, ...x.whenFalse]);
    if (x.op === "dotBf16") return "bf16";
    return x.op === "dot4" || (x.op === "i32Binary" && (x.kind === "madd16" || x.kind === "madd8"))
      ? "int8"
      : undefined;
  });
  return found.includes("int8") ? "int8" : found.find((a) => a !== undefined);
}
