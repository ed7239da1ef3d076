import assert from "node:assert/strict";
import { test } from "node:test";
import { figure, plotBars, plotFalling } from "./plot.ts";

test("bars are to scale, and fit the width", () => {
  const lines = plotBars(
    [
      { name: "orca", value: 1 },
      { name: "static", value: 4 },
    ],
    31,
  ).split("\n");
  const lengths = lines.map((line) => line.split("█").length - 1);
  assert.deepEqual(
    lengths.map((n) => n / lengths[1]!),
    [0.25, 1],
  );
  assert.ok(
    lines.every((line) => line.length <= 31),
    lines.join("\n"),
  );
  assert.match(plotBars([{ name: "none", value: 0 }], 20), /^none {2} 0$/);
});

test("figures have four digits", () => {
  assert.deepEqual([0.123456, 12345.678, 7, 0.00000123].map(figure), ["0.1235", "12350", "7", "1.230e-6"]);
});

test("a falling curve has its first value at the top, its last at the bottom, and fits the width", () => {
  const lines = plotFalling([1, 1, 0.8, 0.8, 0.6, 0.5], 40).split("\n");
  assert.match(lines[0]!, /^ 1\.000 │██$/);
  assert.match(lines.at(-2)!, /^ 0\.500 │█████▁$/);
  assert.match(lines.at(-1)!, /└─{6} 6$/);
  const many = Array.from({ length: 1000 }, (_, i) => 1 / (i + 1));
  assert.ok(
    plotFalling(many, 60)
      .split("\n")
      .every((line) => line.length <= 60),
  );
  assert.ok(!plotFalling([1, 1, 1], 40).includes("NaN"));
});
