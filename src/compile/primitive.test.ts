/** Kernels built from each set of primitives: on every level the same bits, which are those of plain arithmetic but for rounding. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { runPrimitiveKernel, sample } from "../sim/rig/primitive.ts";
import { openLevels } from "../test/kernel-rig.ts";
import { primitiveSets } from "./primitive.ts";
import { primitiveKernels } from "./primitive-kernels.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

type Read = (which: number, ...place: number[]) => number;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const gelu = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const sum = (count: number, term: (i: number) => number): number => {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
};

/** The element at a place of each kernel's result, from its inputs. */
const meanings: Readonly<
  Record<string, (read: Read, shapes: readonly (readonly number[])[], place: number[]) => number>
> = {
  linear: (read, [x], [m, n]) => gelu(sum(x![1]!, (k) => read(0, m!, k) * read(1, k, n!)) + read(2, n!)),
  narrow: (read, [x], [m, n]) => gelu(sum(x![1]!, (k) => read(0, m!, k) * read(1, k, n!)) + read(2, n!)),
  convolution: (read, [x], [h, w, o]) =>
    Math.max(
      0,
      sum(9, (tap) => {
        const [i, j] = [Math.floor(tap / 3), tap % 3];
        return sum(x![2]!, (c) => read(0, h! + i, w! + j, c) * read(1, i, j, c, o!));
      }),
    ),
  attention: (read, [q], [t, d]) => {
    const [tokens, width] = q as [number, number];
    const weights = Array.from({ length: tokens }, (_, s) =>
      Math.exp(sum(width, (k) => read(0, t!, k) * read(1, s, k)) / Math.sqrt(width)),
    );
    return sum(tokens, (s) => weights[s]! * read(2, s, d!)) / weights.reduce((a, x) => a + x);
  },
  lstm: (read, [, tokens, h], [which, n, d]) => {
    const width = h![1]!;
    assert.equal(tokens![0], h![0]);
    const gate = (i: number): number =>
      sum(width, (k) => read(0, read(1, n!), k) * read(4, i, k, d!)) +
      sum(width, (k) => read(2, n!, k) * read(5, i, k, d!)) +
      read(6, i, d!);
    const cell = sigmoid(gate(1)) * read(3, n!, d!) + sigmoid(gate(0)) * Math.tanh(gate(2));
    return which === 1 ? cell : sigmoid(gate(3)) * Math.tanh(cell);
  },
};

for (const [name, kernel] of Object.entries(primitiveKernels)) {
  test(`${name}: every set on every level`, async () => {
    const shapes = kernel.params.map((p) => p.shape);
    const read: Read = (which, ...place) => {
      const { shape, type } = kernel.params[which]!;
      const i = place.reduce((at, p, axis) => at * shape[axis]! + p, 0);
      return type === "i32" ? (i * 7) % 11 : sample(which, i);
    };
    const result = shapes.at(-1)!;
    const wanted = Float64Array.from({ length: result.reduce((n, d) => n * d, 1) }, (_, i) => {
      const place: number[] = [];
      for (let axis = result.length - 1, rest = i; axis >= 0; axis--) {
        place.unshift(rest % result[axis]!);
        rest = Math.floor(rest / result[axis]!);
      }
      return meanings[name]!(read, shapes, place);
    });
    let first: Int32Array | undefined;
    for (const device of devices) {
      for (const id of primitiveSets.ids()) {
        const bits = await runPrimitiveKernel(device, kernel, id);
        first ??= bits;
        assert.deepEqual(bits, first, `${id} on ${device.level}`);
      }
    }
    const floats = new Float32Array(first!.buffer);
    for (const [i, w] of wanted.entries())
      assert.ok(Math.abs(floats[i]! - w) < 1e-5, `element ${i}: ${floats[i]}, ${w}`);
  });
}
