/**
 * What launching costs beside the work: a graph of 1,000 tiny operations on one token, replayed from a recorded list and
 * dispatched one by one. The quickest of many steps, from the call in JavaScript to its answer, divided by the operations.
 */
import { launches } from "../compile/launch.ts";
import { openArrays } from "../device/array-session.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { ArrayBuilder } from "../graph/array-builder.ts";
import { openBranchy } from "../sim/launch-machine.ts";
import type { Bench } from "./terms.ts";

/** What a repetition takes. */
const milliseconds = 200;
/** Some 1,000 calls, each of a row of 64. */
const shape = { cells: 28, blocks: 5, width: 64 };

export async function run(bench: Bench): Promise<void> {
  for (const threads of bench.threads) {
    const device = await openDevice(bench.level, { threads, scratchBytes: 1 << 16 });
    try {
      for (const id of launches.ids()) {
        const branchy = await openBranchy(device, shape, id);
        const until = performance.now() + milliseconds * bench.repeat;
        let [least, steps] = [Number.POSITIVE_INFINITY, 0];
        for (; steps < 3 || performance.now() < until; steps++) {
          const from = performance.now();
          await branchy.session.run(1, 1);
          least = Math.min(least, performance.now() - from);
        }
        const terms = { operations: branchy.calls, steps, level: device.level };
        // What is asked for is a recorded list on one thread.
        const goal = threads === 1 && id !== "per-op" ? { goal: { most: 0.001 } } : {};
        bench.row({
          name: `dispatch ${id}, an operation`,
          threads,
          unit: "ms",
          ours: least / branchy.calls,
          ...goal,
          terms,
        });
        branchy.close();
      }
      arrays(bench, device);
    } finally {
      await device.close();
    }
  }
}

const arrayOperations = 1000;

/** Sums and running sums of 16 numbers in turn, each an array in memory and a call of its own. */
function arrays(bench: Bench, device: Device): void {
  const b = new ArrayBuilder();
  const type = { dtype: "f32", shape: [16] } as const;
  const x = b.add({ kind: "input", name: "x" }, [], type);
  let y = x;
  for (let i = 0; i < arrayOperations; i += 2) {
    y = b.add({ kind: "cumsum", axis: 0 }, [b.add({ kind: "binary", fn: "add" }, [y, x])]);
  }
  const session = openArrays(device, b.finish({ y }));
  const regions = { x: device.alloc(64), y: device.alloc(64) };
  const until = performance.now() + milliseconds * bench.repeat;
  let [least, steps] = [Number.POSITIVE_INFINITY, 0];
  for (; steps < 3 || performance.now() < until; steps++) {
    const from = performance.now();
    session.runNow(regions);
    least = Math.min(least, performance.now() - from);
  }
  const calls = session.program.calls.length;
  bench.row({
    name: "dispatch arrays, an operation",
    threads: device.threads,
    unit: "ms",
    ours: least / calls,
    goal: { most: 0.001 },
    terms: { operations: calls, steps, level: device.level },
  });
  session.close();
}
