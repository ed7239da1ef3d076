/** What PyTorch computed, from `bench/peers/tensor-fixtures.py`, and how it is compared. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { sizeOf } from "../graph/array.ts";
import { tensor } from "../tensor/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { sample } from "./array-cases.ts";

export interface FixtureCase {
  readonly name: string;
  readonly inputs: readonly (readonly number[])[];
  readonly positive?: boolean;
  readonly indices?: { readonly shape: readonly number[]; readonly below: number };
  readonly shape: readonly number[];
  readonly value: readonly number[];
  readonly gradients?: readonly (readonly number[])[];
}

export function readFixture<T>(name: string): T {
  const path = new URL(`../../fixtures/tensor/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** The formula of the fixtures' inputs. */
export function numbers(which: number, shape: readonly number[], { positive = false, scale = 1 } = {}): Tensor {
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => scale * sample(which, i, positive));
  return tensor(data, { shape });
}

export function wholeNumbers(shape: readonly number[], below: number): Tensor {
  return tensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7 + 2) % below),
    { shape },
  );
}

/** Σ y · sin(3 i). */
export function weighed(y: Tensor): Tensor {
  const weights = Float32Array.from({ length: y.size }, (_, i) => Math.sin(Math.fround(3 * i)));
  return y.flatten().mul(tensor(weights)).sum();
}

export function assertNear(actual: Tensor, expected: readonly number[], what: string, tolerance = 2e-5): void {
  const data = actual.data();
  assert.equal(data.length, expected.length, what);
  const scale = 1 + Math.max(...expected.map(Math.abs));
  for (const [i, e] of expected.entries())
    assert.ok(Math.abs(data[i]! - e) <= tolerance * scale, `${what}[${i}]: ${data[i]}, PyTorch has ${e}`);
}
