import assert from "node:assert/strict";
import { test } from "node:test";
import { lowerLinear, lowerTuned } from "../lower/linear.ts";
import { x64Targets } from "../render/x64.ts";
import { defaultSchedule, linearKey, parseLinearKey, tileFor } from "./linear.ts";
import { readRecords, recordLine, schedulesOf, type TuningRecord } from "./records.ts";

const target = x64Targets["x64-avx512"];
const machine = { level: "x64-avx512", cpu: "a processor" };
const analytical = defaultSchedule(target, { kind: "f32" }, { n: 64, k: 64 });
const record = (change: Partial<TuningRecord>): TuningRecord => ({
  ...machine,
  threads: 2,
  kernel: "f32-64x64",
  until: 1,
  tile: { ...analytical.rest, rows: 3 },
  relative: 0.9,
  chosen: true,
  ...change,
});

test("lines are read back; what was cut off, is of another machine or makes no sense is passed over", () => {
  const good = [record({}), record({ until: null, chosen: false })];
  const wrong = [
    recordLine(record({})).slice(0, -20),
    recordLine(record({ cpu: "another" })),
    recordLine(record({ level: "wasm" })),
    recordLine(record({ kernel: "f32-64" })),
    recordLine(record({ kernel: "Q9_9-64x64" })),
    recordLine(record({ tile: { ...analytical.rest, rows: 1000 } })),
    recordLine(record({ relative: Number.NaN })),
    recordLine(record({})).replace('"version":1', '"version":0'),
    "[1, 2]",
    "null",
    "",
  ];
  const text = `${wrong.join("\n")}\n${good.map(recordLine).join("")}${recordLine(good[0]!).slice(0, 30)}`;
  assert.deepEqual(readRecords(text, machine), good);
});

test("the last choice counts, of as many threads before others; classes without one stay analytical", () => {
  const tile = (rows: number) => ({ ...analytical.rest, rows });
  const records = [
    record({ tile: tile(4) }),
    record({ tile: tile(5) }),
    record({ tile: tile(6), threads: 1 }),
    record({ tile: tile(7), until: 16, chosen: false }),
    record({ tile: tile(8), until: 7 }),
  ];
  const two = schedulesOf(records, { target, threads: 2 }).get("f32-64x64")!;
  assert.deepEqual(
    [1, 2, 7, 300].map((tokens) => tileFor(two, tokens)),
    [tile(5), analytical.rest, analytical.rest, analytical.rest],
  );
  assert.equal(tileFor(schedulesOf(records, { target, threads: 1 }).get("f32-64x64")!, 1).rows, 6);
});

test("a schedule that needs more registers than there are gives way to the analytical choice", () => {
  const format = { kind: "f32" } as const;
  const shape = { n: 64, k: 64, bias: false };
  const rest = { ...analytical.rest, rows: 16, vectors: 2 };
  assert.deepEqual(lowerTuned(target, format, shape, { cases: [], rest }), lowerLinear(target, format, shape));
  const fits = { cases: [], rest: { ...rest, rows: 3 } };
  assert.deepEqual(lowerTuned(target, format, shape, fits), lowerLinear(target, format, shape, fits));
});

test("keys name a format and a shape", () => {
  for (const key of ["f32-3x7", "bf16-64x2048", "Q4_K-262144x640"]) {
    const { format, n, k } = parseLinearKey(key)!;
    assert.equal(linearKey(format, n, k), key);
  }
  assert.equal(parseLinearKey("toString-1x1"), undefined);
});
