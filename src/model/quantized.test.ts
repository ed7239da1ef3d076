import { deepEqual, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { halfToFloat } from "../core/half.ts";
import type { WeightType } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { halves } from "./half-table.ts";
import { type QuantLayout, quantLayout, unpackQuantized, unpackRows } from "./quantized.ts";
import { weightFormats } from "./weight-type.ts";

interface Case {
  readonly type: WeightType;
  readonly elements: number;
  readonly bytes: string;
  readonly values: string;
}

// Made by bench/peers/quant-fixtures.py from PyPI's gguf package.
const cases: Case[] = JSON.parse(readFileSync(new URL("../../fixtures/quant/blocks.json", import.meta.url), "utf8"));

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(base64, "base64"));
const floatsOf = (base64: string): Float32Array => new Float32Array(bytesOf(base64).buffer);

test("every type but F32 has a case", () => {
  deepEqual(
    cases.map((c) => c.type).sort(),
    Object.keys(weightFormats)
      .filter((t) => t !== "F32")
      .sort(),
  );
});

for (const { type, elements, bytes, values } of cases) {
  test(`${type} dequantises to the reference's values, bit for bit`, () => {
    const into = new Float32Array(elements);
    dequantize(type, bytesOf(bytes), elements, into);
    deepEqual(into, floatsOf(values));
  });

  const layout = quantLayout(type);
  if (layout === undefined) continue;
  test(`${type} unpacks to codes, scales and minima that mean the same, aligned or not`, () => {
    const aligned = bytesOf(bytes);
    const odd = new Uint8Array(aligned.length + 1).subarray(1);
    odd.set(aligned);
    checkParts(type, layout, aligned, floatsOf(values));
    checkParts(type, layout, odd, floatsOf(values));
  });
}

/** Unpacks `expected.length` elements as two rows, and the second row alone. */
function checkParts(type: WeightType, layout: QuantLayout, from: Uint8Array, expected: Float32Array): void {
  const { subBlock, symmetric, halfScale } = layout;
  const rowLength = expected.length / 2;
  const codes = new Uint8Array(expected.length);
  const scales = new Float32Array(expected.length / subBlock);
  const minima = new Float32Array(scales.length);
  unpackRows(type, from, rowLength, 0, 2, codes, scales, symmetric ? undefined : minima);
  const back = Float32Array.from(codes, (code, i) => {
    const s = Math.floor(i / subBlock);
    return symmetric ? scales[s]! * (code - 128) : Math.fround(scales[s]! * code) - minima[s]!;
  });
  deepEqual(back, expected);
  if (halfScale) deepEqual(Array.from(scales, (scale) => halves.includes(scale)).includes(false), false);
  const row = {
    codes: new Uint8Array(rowLength),
    scales: new Float32Array(rowLength / subBlock),
    minima: new Float32Array(rowLength / subBlock),
  };
  unpackQuantized(type, from, rowLength, 1, row);
  deepEqual(row.codes, codes.slice(rowLength));
  deepEqual(row.scales, scales.slice(rowLength / subBlock));
  deepEqual(row.minima, minima.slice(rowLength / subBlock));
}

test("dequantising goes on where a chunk ends", () => {
  const c = cases.find(({ type }) => type === "Q4_K")!;
  const times = 33;
  const bytes = bytesOf(c.bytes);
  const many = new Uint8Array(bytes.length * times);
  for (let i = 0; i < times; i++) many.set(bytes, i * bytes.length);
  const into = new Float32Array(c.elements * times);
  dequantize("Q4_K", many, into.length, into);
  for (let i = 0; i < times; i++) {
    deepEqual(into.slice(i * c.elements, (i + 1) * c.elements), floatsOf(c.values));
  }
});

test("F32 is copied, whatever its alignment", () => {
  const bytes = new Uint8Array(13).subarray(1);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -2, 3e-40).buffer));
  const into = new Float32Array(3);
  dequantize("F32", bytes, 3, into);
  deepEqual(into, Float32Array.of(1.5, -2, 3e-40));
});

test("the table of halves is halfToFloat", () => {
  const differing = Array.from(halves.keys()).filter((h) => !Object.is(halves[h], halfToFloat(h)));
  deepEqual(differing, []);
});

test("too few bytes and too little room are bugs, named", () => {
  throws(() => dequantize("Q8_0", new Uint8Array(33), 32, new Float32Array(32)), /bug: 32 of Q8_0 take 34 bytes/);
  throws(() => unpackRows("Q4_1", new Uint8Array(20), 32, 0, 1, new Uint8Array(32), new Float32Array(1)), /minima/);
  throws(() => unpackRows("F16", new Uint8Array(64), 32, 0, 1, new Uint8Array(32), new Float32Array(1)), /no codes/);
});
