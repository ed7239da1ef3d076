/**
 * What launching costs beside the work: a graph of 1,000 tiny operations on one token, replayed from a recorded list and
 * dispatched one by one. The quickest of many steps, from the call in JavaScript to its answer, divided by the operations.
 */
import { launches } from "../compile/launch.ts";
import { openDevice } from "../device/open.ts";
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
    } finally {
      await device.close();
    }
  }
}
