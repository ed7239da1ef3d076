import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryView } from "../memory.ts";
import vdnn from "./vdnn.ts";

const plan = (view: MemoryView, policy: number) => vdnn.create({ policy }).plan({ ...view, drops: [], records: [] });
const fast = { bytesPerSecond: 65536 / 0.02, latencySeconds: 0 };
const view = plainNetwork(8, { copy: fast });

test("convolutions send what they read while they run, and are waited for; others' inputs leave under the policy of all", () => {
  const [convolutions, all] = [plan(view, 1), plan(view, 2)];
  const kinds = (p: typeof all) => new Set(p.outs.map((o) => view.units[o.at]!.kind));
  assert.deepEqual([kinds(convolutions), kinds(all)], [new Set(["convolution"]), new Set(["convolution", "other"])]);
  assert.ok(all.outs.every((o) => o.begin === "with" && o.join && view.units[o.at]!.reads.includes(o.tensor)));
});

test("each backward layer fetches for the nearest one before it, up to the next convolution, so that hardly anything waits", () => {
  const all = plan(view, 2);
  for (const { tensor, at } of all.ins) {
    const use = view.tensors[tensor]!.uses.find((u) => u > at)!;
    const between = view.units.slice(at + 1, use);
    assert.ok(
      between.every((u) => u.kind !== "convolution"),
      `${view.tensors[tensor]!.name} is fetched at ${at}`,
    );
  }
  const [ahead, behind] = [price(view, all)!, price(view, { ...all, ins: [] })!];
  assert.ok(ahead.stallSeconds < 0.6 * behind.stallSeconds, `${ahead.stallSeconds} of ${behind.stallSeconds}`);
  assert.ok(ahead.peakBytes < 0.6 * price(view, keepAll)!.peakBytes);
});

test("the dynamic policy sends nothing if all fits, then convolutions' inputs, then all", () => {
  const needs = (p: ReturnType<typeof plan>): number => price(view, p)!.peakBytes;
  const [none, some, all] = [keepAll, plan(view, 1), plan(view, 2)].map(needs);
  assert.ok(all! < some! && some! < none!);
  const leave = (capacity: number): number => plan({ ...view, capacity }, 0).outs.length;
  assert.deepEqual(
    [leave(none! * 1.1), leave(some! * 1.05), leave(all! * 1.05)],
    [0, plan(view, 1).outs.length, plan(view, 2).outs.length],
  );
});
