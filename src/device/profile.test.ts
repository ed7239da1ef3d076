import assert from "node:assert/strict";
import { test } from "node:test";
import type { Program } from "../compile/schedule.ts";
import type { Work } from "../compile/work.ts";
import { openLevels } from "../test/kernel-rig.ts";
import type { Span } from "./device.ts";
import { measureLimits } from "./limits.ts";
import { against, profileOf } from "./profile.ts";

const call = (kernel: number) => ({ op: "add", kernel, args: [], items: { dim: 1, times: 1 }, barrier: true }) as const;
const kernels = [{ name: "a" }, { name: "b" }, { name: "a" }];
const program = { kernels, calls: [call(0), call(1), call(0), call(2)] } as unknown as Program;
const work: readonly Work[] = program.calls.map((_, i) => ({
  bytes: 100 * (i + 1),
  operations: 10,
  arithmetic: "int8",
}));

const span = (record: number, thread: number, begin: number, worked: number, end: number): Span => {
  return { record, thread, begin, worked, end };
};

test("a call is charged with its part of all threads' time, so that overlapping calls add up to the step", () => {
  const run = [
    ...[span(0, 0, 0, 2, 3), span(1, 0, 3, 4, 4), span(2, 0, 4, 5, 9), span(3, 0, 9, 10, 10)],
    // The second thread comes late, does nothing of call 1, and finishes call 2, for which the first one waits.
    ...[span(0, 1, 1, 3, 3), span(1, 1, 3, 3, 3), span(2, 1, 4, 9, 9), span(3, 1, 9, 9, 10)],
  ];
  const [first, second, third] = profileOf(program, [run], work);
  assert.deepEqual(first, {
    ...{ kernel: "a", calls: 2, seconds: (3 + 3 + 5 + 6) / 2, share: 0.85, waiting: (1 + 1 + 4 + 1) / (3 + 3 + 5 + 6) },
    ...{ bytes: 400, operations: 20, arithmetic: "int8" },
  });
  assert.deepEqual([second!.kernel, second!.seconds, third!.kernel, third!.seconds], ["a #2", 1, "b", 0.5]);
});

test("a thread alone waits for nobody: what is between its calls is theirs", () => {
  const run = [span(0, 0, 0, 1, 2), span(1, 0, 3, 4, 4), span(2, 0, 4, 5, 5), span(3, 0, 5, 6, 6)];
  const rows = profileOf(program, [run], work);
  assert.deepEqual([rows.map((r) => r.waiting), rows.reduce((n, r) => n + r.seconds, 0)], [[0, 0, 0], 6]);
});

test("each call's seconds are the median of its runs: one disturbed run does not show", () => {
  const run = (late: number): Span[] => [0, 1, 2, 3].map((i) => span(i, 0, i + late, i + 1 + late, i + 1 + late));
  const rows = profileOf(program, [run(0), run(100), run(0)], work);
  assert.deepEqual(
    rows.map((r) => r.seconds),
    [2, 1, 1],
  );
});

test("a kernel is held against the limit of its own arithmetic, and bound by the nearer one", () => {
  const limits = { bytesPerSecond: 1000, operationsPerSecond: { f32: 100, bf16: 200, int8: 400 } };
  const row = { kernel: "a", calls: 1, seconds: 1, share: 1, waiting: 0, bytes: 900, operations: 80 };
  assert.deepEqual(against({ ...row, arithmetic: "int8" }, limits), { memory: 0.9, arithmetic: 0.2, bound: "memory" });
  const products = { ...row, bytes: 100, arithmetic: "f32" } as const;
  assert.deepEqual(against(products, limits), { memory: 0.1, arithmetic: 0.8, bound: "arithmetic" });
  assert.equal(against({ ...row, bytes: 500, arithmetic: "int8" }, limits).bound, "neither");
});

test("limits are measured on every level, in a machine's order of magnitude", async () => {
  const { devices } = await openLevels();
  for (const device of devices) {
    if (device.level !== "reference") {
      const { bytesPerSecond, operationsPerSecond: peak } = await measureLimits(device, 4 << 20);
      assert.ok(bytesPerSecond > 1e8 && bytesPerSecond < 1e13, `${device.level} ${bytesPerSecond}`);
      assert.ok(
        peak.f32 > 1e9 && peak.f32 < 1e13 && peak.bf16 > 1e9 && peak.int8 > 1e9,
        `${device.level} ${JSON.stringify(peak)}`,
      );
    }
    await device.close();
  }
});
