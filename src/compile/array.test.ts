/** Compiled graphs of arrays against their meaning, on every level. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { bitsFloat } from "../core/half.ts";
import { type ArrayGraph, sizeOf, type Unary } from "../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import { gradient } from "../graph/gradient.ts";
import { arrayCases, buildCase, sample } from "../test/array-cases.ts";
import { randomArrays } from "../test/array-fuzz.ts";
import { type ArrayData, evaluate } from "../test/array-oracle.ts";
import { runArrays } from "../test/array-run.ts";
import { openLevels } from "../test/kernel-rig.ts";

const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const numbers = (data: ArrayData): ArrayData =>
  data instanceof Uint16Array ? Float32Array.from(data, (bits) => bitsFloat(bits << 16)) : data;

/** Within `tolerance` of the greatest; zeros of either sign are equal. */
function near(actualData: ArrayData, wantedData: ArrayData, tolerance: number, what: string): void {
  const [actual, wanted] = [numbers(actualData), numbers(wantedData)];
  assert.equal(actual.length, wanted.length, what);
  let scale = 1e-3;
  for (const x of wanted) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  for (let i = 0; i < wanted.length; i++) {
    const [a, w] = [actual[i]!, wanted[i]!];
    if (a === w || (Number.isNaN(a) && Number.isNaN(w))) continue;
    assert.ok(Math.abs(a - w) <= tolerance * scale, `${what}: element ${i} is ${a}, not ${w}`);
  }
}

interface Case {
  readonly name: string;
  readonly graph: ArrayGraph;
  readonly inputs: Record<string, ArrayData>;
}

/** Each operation, and where it has a gradient the gradients of its f32 inputs. */
const cases = arrayCases.map((c): Case => {
  const b = new ArrayBuilder();
  const { m, values, y } = buildCase(c, b);
  const inputs: Record<string, ArrayData> = {};
  for (const [i, shape] of c.inputs.entries())
    inputs[`x${i}`] = Float32Array.from({ length: sizeOf(shape) }, (_, k) => sample(i, k, c.positive));
  if (c.indices) {
    const { shape, below } = c.indices;
    inputs.indices = Int32Array.from({ length: sizeOf(shape) }, (_, k) => (k * 5 + 1) % below);
  }
  const outputs: Record<string, ArrayValue> = { y };
  if (y.type.dtype === "f32") {
    const found = gradient(b, [y], values, { seeds: [m.fill(y, 0.7)] });
    for (const [i, value] of found.entries()) if (value !== undefined) outputs[`d${i}`] = value;
  }
  return { name: c.name, graph: b.finish(outputs), inputs };
});

const seeds = Number(process.env.HEDDLE_FUZZ ?? 60);
const first = Number(process.env.HEDDLE_SEED ?? 1);
for (const device of devices) {
  describe(device.level, () => {
    test("every operation and its gradient", async () => {
      for (const { name, graph, inputs } of cases) {
        const wanted = evaluate(graph, inputs);
        const actual = await runArrays(device, graph, inputs, { now: true });
        for (const [output, array] of Object.entries(wanted)) near(actual[output]!, array, 1e-6, `${name} ${output}`);
      }
    });

    test("functions are within 2 ulp, and at the ends of the range what they should be", async () => {
      const special = [
        0,
        -0,
        1,
        -1,
        1e-40,
        -1e-40,
        3e38,
        -3e38,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        Number.NaN,
      ];
      const x = Float32Array.from({ length: 1500 }, (_, i) => special[i] ?? Math.sin(i * 1.7) * 2 ** ((i % 40) - 24));
      // What is left of log's and pow's error, and of sin's and cos's beyond some turns, is not bounded by ulp of theirs.
      const fns: readonly [Unary, number][] = [
        ...(["exp", "log", "tanh", "erf", "rsqrt", "reciprocal", "sin", "cos"] as const).map((fn): [Unary, number] => [
          fn,
          2.01,
        ]),
        // An exponential, a sum and a quotient, each rounded.
        ["sigmoid", 2.6],
        ...(["sqrt", "floor", "sign", "neg", "abs", "relu", "square"] as const).map((fn): [Unary, number] => [fn, 0.5]),
      ];
      const b = new ArrayBuilder();
      const input = b.add({ kind: "input", name: "x" }, [], { dtype: "f32", shape: [x.length] });
      const outputs = Object.fromEntries(fns.map(([fn]) => [fn, b.add({ kind: "unary", fn }, [input])]));
      const graph = b.finish(outputs);
      const actual = await runArrays(device, graph, { x });
      const wanted = evaluate(graph, { x }, { exact: true });
      for (const [fn, most] of fns) {
        for (let i = 0; i < x.length; i++) {
          if ((fn === "sin" || fn === "cos") && !(Math.abs(x[i]!) < 1e4)) continue;
          const [a, w] = [actual[fn]![i]!, wanted[fn]![i]!];
          const exact = Math.fround(w);
          if (a === exact || (Number.isNaN(a) && Number.isNaN(exact))) continue;
          const ulp = 2 ** Math.max(-149, Math.floor(Math.log2(Math.abs(w))) - 23);
          // Results below the least normal number may be 0.
          assert.ok(Math.abs(a - w) <= most * ulp || Math.abs(w) < 2 ** -126, `${fn}(${x[i]}) is ${a}, not ${w}`);
        }
      }
    });

    test("zeros keep their sign, turns without number stay a sine, powers are those of IEEE 754, NaN is the greatest", async () => {
      const far = [1e6, 1e9, 1e20, 3.4e38];
      const x = Float32Array.of(-0, Number.POSITIVE_INFINITY, ...far, ...far.map((v) => -v));
      const b = new ArrayBuilder();
      const input = b.add({ kind: "input", name: "x" }, [], { dtype: "f32", shape: [x.length] });
      const unary = (fn: Unary) => b.add({ kind: "unary", fn }, [input]);
      const powers = [
        [-0, 3, -0],
        [-0, -3, -Infinity],
        [1, Number.NaN, 1],
        [1, Infinity, 1],
        [-1, Infinity, 1],
        [-1, -Infinity, 1],
        [-2, 0.5, Number.NaN],
        [-Infinity, 0.5, Infinity],
        [-Infinity, -0.5, 0],
        [-Infinity, 3, -Infinity],
        [Number.NaN, 0, 1],
        [Number.NaN, 1, Number.NaN],
      ] as const;
      const column = (name: string) => b.add({ kind: "input", name }, [], { dtype: "f32", shape: [powers.length] });
      const pow = b.add({ kind: "binary", fn: "pow" }, [column("base"), column("exponent")]);
      const rows = b.add({ kind: "input", name: "rows" }, [], { dtype: "f32", shape: [2, 4] });
      const graph = b.finish({
        ...{ sin: unary("sin"), cos: unary("cos"), tanh: unary("tanh"), pow },
        greatest: b.add({ kind: "argmax", axis: 1 }, [rows]),
      });
      const got = await runArrays(device, graph, {
        ...{ x, base: Float32Array.from(powers, (p) => p[0]), exponent: Float32Array.from(powers, (p) => p[1]) },
        rows: Float32Array.of(1, Number.NaN, Infinity, Number.NaN, 1, 7, 7, -Infinity),
      });
      for (const [name, ofInfinity] of [
        ["sin", Number.NaN] as const,
        ["cos", Number.NaN] as const,
        ["tanh", 1] as const,
      ]) {
        assert.equal(got[name]![1], ofInfinity, name);
        for (const [i, y] of got[name]!.entries()) {
          if (i !== 1) assert.ok(Math.abs(y) <= 1, `${name}(${x[i]}) is ${y}`);
        }
      }
      assert.ok(Object.is(got.sin![0], -0) && Object.is(got.tanh![0], -0) && got.cos![0] === 1);
      for (const [i, [base, exponent, wanted]] of powers.entries())
        assert.ok(Object.is(got.pow![i], wanted), `${base} to the power of ${exponent} is ${got.pow![i]}`);
      assert.deepEqual([...got.greatest!], [1, 1]);
    });

    test("an output is written over the input that it replaces, in place or at the end", async () => {
      const b = new ArrayBuilder();
      const type = { dtype: "f32", shape: [8, 40] } as const;
      const w = b.add({ kind: "input", name: "w" }, [], type);
      const stepped = b.add({ kind: "binary", fn: "sub" }, [w, b.add({ kind: "unary", fn: "square" }, [w])]);
      const flipped = b.add({ kind: "flip", axes: [1] }, [w]);
      const graph = b.finish({ stepped, flipped });
      const data = Float32Array.from({ length: 320 }, (_, i) => i / 100);
      const wanted = evaluate(graph, { w: data });
      for (const [output] of Object.entries(wanted)) {
        const actual = await runArrays(device, graph, { w: data }, { donate: { [output]: "w" } });
        for (const [name, array] of Object.entries(wanted)) near(actual[name]!, array, 1e-6, `${output} ${name}`);
      }
    });

    test(`random graphs mean what they should, ${seeds} from HEDDLE_SEED=${first}`, async () => {
      const count = device.level === "reference" ? Math.ceil(seeds / 6) : seeds;
      for (let seed = first; seed < first + count; seed++) {
        const { graph, inputs } = randomArrays(seed);
        const wanted = evaluate(graph, inputs);
        const text = `HEDDLE_SEED=${seed} HEDDLE_FUZZ=1`;
        let actual: Record<string, ArrayData>;
        try {
          actual = await runArrays(device, graph, inputs, { now: seed % 2 === 0 });
        } catch (error) {
          throw new Error(text, { cause: error });
        }
        for (const [name, array] of Object.entries(wanted)) near(actual[name]!, array, 3e-5, `${text} ${name}`);
        if (seed % 3 > 0) continue;
        const alone = await runArrays(device, graph, inputs, { fused: false });
        for (const [name, array] of Object.entries(alone)) {
          const bits = (x: ArrayData): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
          assert.deepEqual(bits(actual[name]!), bits(array), `${text} ${name} by itself`);
        }
      }
    });
  });
}
