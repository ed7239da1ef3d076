/**
 * Two devices run the same random tile programs on the same memory, in one launch list with threads and chunks; afterwards
 * every byte that they may have written, or must not have, is compared.
 */
import type { Instruction, TileProgram } from "../compile/tile.ts";
import { stream } from "../core/random.ts";
import { type Device, type Region, record } from "../device/device.ts";
import { countsMax, fill, regionBytes, regions, sliceBytes } from "./tile-memory.ts";
import { below } from "./tile-scope.ts";

const items = 5;
const outputBytes = items * sliceBytes;
const parameters = regions.length + countsMax.length + 1;

export interface Difference {
  readonly program: TileProgram;
  /** Where in the program's output, or `input` for a byte of an input region. */
  readonly where: "output" | "input";
  readonly at: number;
  readonly values: readonly [number, number];
}

/** The first byte that differs, or `undefined`. The seed gives the memory. Programs must be of both devices' target. */
export async function compare(
  programs: readonly TileProgram[],
  [first, second]: readonly [Device, Device],
  seed: number,
): Promise<Difference | undefined> {
  const [a, b] = [await memoryAfter(programs, first, seed), await memoryAfter(programs, second, seed)];
  for (const where of ["output", "input"] as const) {
    const at = a[where].findIndex((byte, i) => byte !== b[where][i]);
    if (at < 0) continue;
    const [program, offset] = where === "output" ? [Math.floor(at / outputBytes), at % outputBytes] : [0, at];
    return { program: programs[program]!, where, at: offset, values: [a[where][at]!, b[where][at]!] };
  }
  return undefined;
}

interface Memory {
  readonly input: Uint8Array;
  readonly output: Uint8Array;
}

async function memoryAfter(programs: readonly TileProgram[], device: Device, seed: number): Promise<Memory> {
  const random = stream(seed);
  const input = device.alloc(regions.length * regionBytes);
  const output = device.alloc(programs.length * outputBytes);
  const args = device.alloc(programs.length * parameters * 8);
  const records = device.alloc(programs.length * record.stride);
  for (const [i, region] of regions.entries()) bytes(input).set(fill(region, random), i * regionBytes);
  bytes(output).fill(0xa5);
  const words = new DataView(args.buffer, args.offset, args.bytes);
  const launch = new DataView(records.buffer, records.offset, records.bytes);
  const handles = device.install(programs);
  for (const [i, handle] of handles.entries()) {
    const values = [
      ...regions.map((_, n) => input.address + n * regionBytes),
      ...countsMax.map((most, least) => least + below(random, most - least + 1)),
      output.address + i * outputBytes,
    ];
    for (const [n, value] of values.entries()) words.setBigUint64(8 * (i * parameters + n), BigInt(value), true);
    const at = i * record.stride;
    launch.setBigUint64(at + record.kernel, BigInt(handle), true);
    launch.setBigUint64(at + record.args, BigInt(args.address + 8 * i * parameters), true);
    launch.setInt32(at + record.items, 1 + below(random, items), true);
    launch.setInt32(at + record.chunk, 1 + below(random, 3), true);
    launch.setInt32(at + record.barrier, below(random, 2), true);
  }
  await device.run(records, programs.length);
  const after = { input: bytes(input).slice(), output: bytes(output).slice() };
  for (const region of [input, output, args, records]) device.free(region);
  return after;
}

const bytes = (region: Region): Uint8Array => new Uint8Array(region.buffer, region.offset, region.bytes);

/** A program as text, for the report of a failure. */
export function show({ name, target, body }: TileProgram): string {
  return [`${name} (${target.lanes} lanes)`, ...lines(body, "  ")].join("\n");
}

function lines(body: readonly Instruction[], indent: string): string[] {
  return body.flatMap((x) => {
    const fields = Object.entries(x).filter(([key]) => !["op", "body", "whenTrue", "whenFalse"].includes(key));
    const line = `${indent}${x.op} ${fields.map(([key, value]) => `${key}=${text(value)}`).join(" ")}`;
    if (x.op === "for") return [line, ...lines(x.body, `${indent}  `)];
    if (x.op !== "if") return [line];
    return [line, ...lines(x.whenTrue, `${indent}  `), `${indent}else`, ...lines(x.whenFalse, `${indent}  `)];
  });
}

function text(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  if ("id" in value && "type" in value) return `${String(value.type).charAt(0)}${value.id}`;
  return `(${Object.entries(value)
    .map(([key, part]) => `${key}=${text(part)}`)
    .join(" ")})`;
}
