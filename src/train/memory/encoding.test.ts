import assert from "node:assert/strict";
import { test } from "node:test";
import { floatToHalf, halfToFloat } from "../../core/half.ts";
import { stream } from "../../core/random.ts";
import type { Encoding } from "../memory.ts";
import { decode, encode, encodedBytes, type Windows } from "./encoding.ts";

function through(values: Float32Array, as: Encoding, windows?: Windows, greatest?: Float32Array): Float32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const packed = new Uint8Array(encodedBytes(bits, as));
  encode(bits, as, packed, windows);
  const back = new Uint32Array(values.length);
  decode(packed, as, back, windows, greatest);
  return new Float32Array(back.buffer);
}

/** As a ReLU leaves them. */
const sparse = (count: number, seed: number, share = 0.6): Float32Array => {
  const random = stream(seed);
  return Float32Array.from({ length: count }, () => (random() < share ? 0 : random() * 4));
};

test("sparse rows give back every bit, -0 and NaN included, in a byte and a value for each element that is not 0", () => {
  for (const count of [1, 255, 256, 257, 1000]) {
    const values = sparse(count, count);
    values[0] = -0;
    if (count > 2) values[2] = Number.NaN;
    const bits = new Uint32Array(values.buffer);
    const back = through(values, "csr");
    assert.deepEqual(new Uint32Array(back.buffer), bits);
    const stored = bits.filter((b) => b !== 0).length;
    assert.equal(encodedBytes(bits, "csr"), 5 * stored + 4 * (Math.ceil(count / 256) + 1));
  }
});

test("bits keep signs, and each window's first greatest where the pooling's result is at hand", () => {
  const windows: Windows = {
    input: [2, 5, 4, 3],
    output: [2, 2, 2, 3],
    size: [2, 2],
    strides: [2, 2],
    padding: [0, 0],
  };
  const [random, x] = [stream(9), new Float32Array(2 * 5 * 4 * 3)];
  // Few values, so that many are equal.
  for (const i of x.keys()) x[i] = Math.max(0, Math.floor(random() * 5) - 1);
  const firstGreatest = (v: Float32Array): { readonly places: number[]; readonly values: Float32Array } => {
    const places: number[] = [];
    for (let w = 0; w < 24; w++) {
      const [n, r, q, c] = [Math.floor(w / 12), Math.floor(w / 6) % 2, Math.floor(w / 3) % 2, w % 3];
      const all = [0, 1, 2, 3].map((k) => ((n * 5 + 2 * r + (k >> 1)) * 4 + 2 * q + (k & 1)) * 3 + c);
      places.push(all.reduce((best, i) => (v[i]! > v[best]! ? i : best)));
    }
    return { places, values: Float32Array.from(places, (i) => v[i]!) };
  };
  const { places, values } = firstGreatest(x);
  const back = through(x, "binary", windows, values);
  assert.deepEqual(firstGreatest(back).places, places);
  for (const i of x.keys()) assert.equal(back[i]! > 0, x[i]! > 0, `element ${i}`);
  assert.equal(encodedBytes(new Uint32Array(x.buffer), "binary"), 4 * Math.ceil((2 * x.length) / 32));
  // Without windows only signs are kept.
  assert.deepEqual(
    through(x, "binary"),
    x.map((v) => (v > 0 ? 1 : 0)),
  );
});

test("fewer digits round to nearest, and what is beyond the greatest value is that", () => {
  const random = stream(4);
  const values = Float32Array.from({ length: 999 }, () => (random() - 0.5) * 8);
  for (const [as, digits] of [
    ["fp16", 11],
    ["fp10", 5],
    ["fp8", 4],
  ] as const) {
    for (const [i, x] of through(values, as).entries()) {
      const error = Math.abs(x - values[i]!);
      assert.ok(error <= Math.max(Math.abs(values[i]!) * 2 ** -digits, 2 ** -6), `${as}: ${values[i]} became ${x}`);
    }
    const [most, least] = through(Float32Array.of(1e9, -1e9), as);
    assert.ok(Number.isFinite(most) && most! > 200 && least === -most!, `${as}: ${most}`);
  }
  assert.deepEqual(
    through(values, "fp16"),
    values.map((x) => halfToFloat(floatToHalf(x))),
  );
  assert.equal(encodedBytes(new Uint32Array(values.buffer), "fp10"), 4 * 333);
});
