/** Ports for programs of dataflow: the oracle's arithmetic at once, or in virtual time on a number of workers. */
import type { ArrayOp, ArrayType } from "../graph/array.ts";
import { ArrayBuilder } from "../graph/array-builder.ts";
import type { OperationPort } from "../tensor/flow/executor.ts";
import { type ArrayData, evaluate } from "./array-oracle.ts";

export interface FlowArray {
  readonly type: ArrayType;
  readonly data: ArrayData;
}

export const flowArray = (
  shape: readonly number[],
  data: readonly number[],
  dtype: "f32" | "i32" = "f32",
): FlowArray => ({
  type: { dtype, shape },
  data: dtype === "i32" ? Int32Array.from(data) : Float64Array.from(data),
});

/** In f64, so that finite differences tell something. */
export function applied(op: ArrayOp, type: ArrayType, inputs: readonly FlowArray[]): FlowArray {
  const b = new ArrayBuilder();
  const values = inputs.map((x, i) => b.add({ kind: "input", name: `${i}` }, [], x.type));
  const given = Object.fromEntries(inputs.map((x, i) => [`${i}`, x.data]));
  const rounded = (data: ArrayData, dtype: string): ArrayData => (dtype === "f32" ? Float64Array.from(data) : data);
  const all = Object.fromEntries(
    Object.entries(given).map(([name, data]) => [name, rounded(data, inputs[Number(name)]!.type.dtype)]),
  );
  return { type, data: evaluate(b.finish({ y: b.add(op, values, type) }), all, { exact: true }).y! };
}

export const atOnce: OperationPort<FlowArray> = {
  start: ({ op, type }, inputs, done) => done(applied(op, type, inputs)),
  number: ({ data }) => data[0]!,
  bytes: ({ data }) => data.length * 4,
};

/** Each operation takes a second of one of `workers`; `seconds` is the time at which the last one ended. */
export function virtualWorkers(
  workers: number,
): OperationPort<FlowArray> & { run(): void; readonly seconds: () => number } {
  const waiting: (() => void)[] = [];
  const running: { readonly until: number; readonly end: () => void }[] = [];
  let now = 0;
  const begin = (): void => {
    while (running.length < workers && waiting.length > 0) waiting.shift()!();
  };
  return {
    ...atOnce,
    start({ op, type }, inputs, done) {
      waiting.push(() => running.push({ until: now + 1, end: () => done(applied(op, type, inputs)) }));
      begin();
    },
    run() {
      for (let next = running.shift(); next !== undefined; next = running.shift()) {
        now = next.until;
        next.end();
        begin();
      }
    },
    seconds: () => now,
  };
}
