import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll, type MemoryView } from "../memory.ts";
import remat from "../remat/superneurons.ts";
import superneurons from "./superneurons.ts";

const copy = { bytesPerSecond: 65536 / 0.05, latencySeconds: 0 };
const both = (view: MemoryView) =>
  superneurons.create({}).plan({ ...view, drops: remat.create({}).drops(view), records: [] });

test("with memory to spare the cache keeps everything; without, what convolutions made leaves and is fetched one layer ahead", () => {
  const view = plainNetwork(8, { copy });
  const kept = price(view, keepAll)!;
  assert.equal(price(view, both(view))!.outBytes, 0);
  const capped = { ...view, capacity: 0.6 * kept.peakBytes };
  const plan = both(capped);
  const record = price(capped, plan)!;
  // What the last convolution reads is kept too: the loss comes right behind it.
  const names = plan.outs.map((o) => view.tensors[o.tensor]!.name);
  assert.ok(names.length >= 8 && names.every((name) => /^conv|^act6/.test(name)), `${names}`);
  const behind = price(capped, { ...plan, ins: [] })!;
  assert.ok(record.stallSeconds < 0.5 * behind.stallSeconds, `${record.stallSeconds} of ${behind.stallSeconds}`);
});

test("what is fetched includes what dropped tensors are computed from", () => {
  const view = plainNetwork(6, { copy, capacity: 500_000 });
  const plan = both(view);
  const fetched = new Set(plan.ins.map((i) => view.tensors[i.tensor]!.name));
  const dropped = new Set(plan.drops.map((d) => view.tensors[d.tensor]!.name));
  assert.ok(dropped.has("act2") && fetched.has("conv2"));
});
