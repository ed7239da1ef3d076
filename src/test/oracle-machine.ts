/** A machine of the training engine that runs graphs by their meaning, in plain JavaScript: what compiled ones are compared with. */

import type { Region } from "../device/device.ts";
import type { ArrayMachine } from "../train/machine.ts";
import { evaluate } from "./array-oracle.ts";

export function oracleMachine(): ArrayMachine {
  return {
    alloc: (bytes): Region => ({ address: 0, bytes, buffer: new ArrayBuffer(Math.ceil(bytes / 4) * 4), offset: 0 }),
    free: () => {},
    open: (graph) => ({
      async run(bindings) {
        const inputs = graph.nodes.flatMap(({ op, type }) => {
          if (op.kind !== "input") return [];
          const { buffer } = bindings[op.name]!;
          return [[op.name, type.dtype === "i32" ? new Int32Array(buffer) : new Float32Array(buffer)] as const];
        });
        for (const [name, data] of Object.entries(evaluate(graph, Object.fromEntries(inputs)))) {
          new Float32Array(bindings[name]!.buffer).set(data);
        }
      },
      close: () => {},
    }),
  };
}
