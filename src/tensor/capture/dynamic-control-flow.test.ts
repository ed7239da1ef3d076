/** Loops and conditions in the graph: what they compute, their gradients, how iterations overlap, what their stacks hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ArrayType } from "../../graph/array.ts";
import { atOnce, type FlowArray, flowArray, virtualWorkers } from "../../test/flow-machine.ts";
import { pull } from "../flow/differentiate.ts";
import { execute, type RunOptions, type RunResult } from "../flow/executor.ts";
import { type Flow, type FlowValue, Scope } from "../flow/flow.ts";
import { dataflow } from "../flow/primitives.ts";

const f32 = (...shape: number[]): ArrayType => ({ dtype: "f32", shape });
const counter: ArrayType = { dtype: "i32", shape: [1] };
const free: RunOptions = { parallelIterations: 10, stackBytes: Number.POSITIVE_INFINITY };

const binary = (s: Scope, fn: "add" | "mul" | "sub" | "lt", a: FlowValue, b: FlowValue): FlowValue =>
  s.op({ kind: "binary", fn }, [a, b]);
const tanh = (s: Scope, x: FlowValue): FlowValue => s.op({ kind: "unary", fn: "tanh" }, [x]);
const whole = (s: Scope, n: number): FlowValue => s.constant(n, counter);

function write(
  types: readonly ArrayType[],
  body: (s: Scope, inputs: readonly FlowValue[]) => readonly FlowValue[],
): Flow {
  const scope = new Scope();
  return scope.finish(
    body(
      scope,
      types.map((type) => scope.input(type)),
    ),
  );
}

/** The gradients of the sum of the first result, after the results. */
function withGradients(flow: Flow, types: readonly ArrayType[]): Flow {
  return write(types, (s, inputs) => {
    const { results, back } = pull(s, flow, inputs);
    const seed = s.constant(1, results[0]!.type as ArrayType);
    const made = back(s, [seed]);
    return [...results, ...made.map((g, i) => g ?? s.constant(0, { ...types[i]!, dtype: "f32" }))];
  });
}

const run = (flow: Flow, inputs: readonly FlowArray[], options = free): Promise<RunResult<FlowArray>> =>
  execute(dataflow(flow), inputs, atOnce, options);

/** x is multiplied by w and squashed n times; inside, while m steps, it is halved where it is large and else grown by w. */
const nested = (types: readonly ArrayType[]): Flow =>
  write(types, (s, [x, w, n, m]) => {
    const [, end] = s.while(
      [whole(s, 0), x!],
      (c, [i]) => binary(c, "lt", i!, n!),
      (b, [i, h]) => {
        const grown = tanh(b, binary(b, "mul", h!, w!));
        const [, inner] = b.while(
          [whole(b, 0), grown],
          (c, [j]) => binary(c, "lt", j!, m!),
          (d, [j, v]) => {
            const total = d.op({ kind: "reduce", fn: "sum", axes: [0] }, [v!]);
            const large = binary(d, "lt", d.constant(0.5, f32(1)), total);
            const [chosen] = d.cond(
              large,
              (yes) => [binary(yes, "mul", v!, yes.constant(0.5, f32(2)))],
              (no) => [binary(no, "add", binary(no, "mul", v!, v!), w!)],
            );
            return [binary(d, "add", j!, whole(d, 1)), chosen!];
          },
        );
        return [binary(b, "add", i!, whole(b, 1)), inner!];
      },
    );
    return [end!];
  });

function inPlainJavaScript(x: readonly number[], w: readonly number[], n: number, m: number): readonly number[] {
  let h = x;
  for (let i = 0; i < n; i++) {
    h = h.map((v, k) => Math.tanh(v * w[k]!));
    for (let j = 0; j < m; j++) h = 0.5 < h[0]! + h[1]! ? h.map((v) => v * 0.5) : h.map((v, k) => v * v + w[k]!);
  }
  return h;
}

const types = [f32(2), f32(2), counter, counter];
const x = [0.3, -0.2];
const w = [0.9, 1.4];
const given = (a: readonly number[], b: readonly number[], n: number, m: number): readonly FlowArray[] => [
  flowArray([2], a),
  flowArray([2], b),
  flowArray([1], [n], "i32"),
  flowArray([1], [m], "i32"),
];
const near = (found: ArrayLike<number>, expected: readonly number[], most: number): void => {
  for (const [i, e] of expected.entries()) assert.ok(Math.abs(found[i]! - e) <= most, `${found[i]}, not ${e}`);
};

test("nested loops with a condition inside compute what JavaScript computes, however many iterations overlap", async () => {
  const flow = nested(types);
  for (const [n, m] of [
    [0, 3],
    [1, 0],
    [4, 3],
    [7, 1],
  ] as const) {
    for (const parallelIterations of [1, 2, 10]) {
      const { results } = await run(flow, given(x, w, n, m), { ...free, parallelIterations });
      near(results[0]!.data, inPlainJavaScript(x, w, n, m), 1e-12);
    }
  }
});

test("gradients through loops in loops and conditions are those of finite differences", async () => {
  const flow = withGradients(nested(types), types);
  for (const [n, m] of [
    [0, 2],
    [3, 2],
    [5, 3],
  ] as const) {
    const { results } = await run(flow, given(x, w, n, m));
    const sum = (a: readonly number[], b: readonly number[]): number =>
      inPlainJavaScript(a, b, n, m).reduce((total, v) => total + v, 0);
    const step = 1e-6;
    const slope = (of: (k: number, d: number) => number): readonly number[] =>
      [0, 1].map((k) => (of(k, step) - of(k, -step)) / (2 * step));
    near(
      results[1]!.data,
      slope((k, d) => sum(x.with(k, x[k]! + d), w)),
      1e-7,
    );
    near(
      results[2]!.data,
      slope((k, d) => sum(x, w.with(k, w[k]! + d))),
      1e-7,
    );
  }
});

/** Each iteration makes a long chain of its own number and adds its end to a sum: only the sum goes from one to the next. */
const pipelined = (n: number): Flow =>
  write([f32(2)], (s, [at]) => {
    const [, sum] = s.while(
      [whole(s, 0), at!],
      (c, [i]) => binary(c, "lt", i!, whole(c, n)),
      (b, [i, total]) => {
        const own = b.op({ kind: "cast" }, [i!], f32(1));
        let v = b.op({ kind: "expand" }, [own], f32(2));
        for (let k = 0; k < 14; k++) v = tanh(b, v);
        return [binary(b, "add", i!, whole(b, 1)), binary(b, "add", total!, v)];
      },
    );
    return [sum!];
  });

test("iterations overlap as far as data allow: eight at once end a pipelined loop far sooner than one", async () => {
  const seconds = async (parallelIterations: number): Promise<number> => {
    const workers = virtualWorkers(8);
    const running = execute(dataflow(pipelined(16)), [flowArray([2], [0, 0])], workers, {
      ...free,
      parallelIterations,
    });
    workers.run();
    await running;
    return workers.seconds();
  };
  const [one, eight] = [await seconds(1), await seconds(8)];
  assert.ok(one / eight > 3, `${one} s with one iteration at a time, ${eight} s with eight`);
});

test("with a capacity, stacks move what they hold out and in again: the gradient is the same, the device holds less", async () => {
  const flow = withGradients(nested(types), types);
  const all = await run(flow, given(x, w, 12, 2));
  const few = await run(flow, given(x, w, 12, 2), { ...free, stackBytes: 64 });
  assert.deepEqual(
    few.results.map(({ data }) => data),
    all.results.map(({ data }) => data),
  );
  assert.equal(all.swappedBytes, 0);
  assert.ok(few.swappedBytes > 0 && few.stackBytesMax <= 64 && all.stackBytesMax > 2 * few.stackBytesMax);
});

test("what cannot be is refused by name", () => {
  assert.throws(
    () =>
      write([f32(2)], (s, [a]) =>
        s.cond(
          s.constant(1, f32(1)),
          () => [a!],
          (n) => [n.constant(0, f32(3))],
        ),
      ),
    /branches differ: f32\[2\] and f32\[3\]/,
  );
  assert.throws(
    () =>
      write([f32(2)], (s, [a]) =>
        s.while(
          [a!],
          (c) => c.constant(0, f32(1)),
          (b) => [b.constant(0, f32(1))],
        ),
      ),
    /state and what the body gives differ/,
  );
});
