import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { keepAll } from "../memory.ts";
import { beladySwaps } from "./belady.ts";
import { price } from "./modelled.ts";

const view = plainNetwork(6, { copy: { bytesPerSecond: 65536 / 0.1, latencySeconds: 0 } });
const order = [...view.units.keys()];
const sizes = view.tensors.map((t) => t.bytes);
const peak = price(view, keepAll)!.peakBytes;

test("with room nothing is swapped; without, what is used last again leaves first", () => {
  assert.deepEqual(beladySwaps(view, order, sizes, peak), { outs: [], ins: [] });
  const { outs } = beladySwaps(view, order, sizes, peak - 65536)!;
  assert.deepEqual(
    outs.map((o) => view.tensors[o.tensor]!.name),
    ["data"],
  );
});

test("everything comes back as early as there is room, so that less waits than when it is fetched at its use", () => {
  const capacity = 0.6 * peak;
  const swaps = beladySwaps(view, order, sizes, capacity)!;
  const capped = { ...view, capacity: capacity * 1.02 };
  const early = price(capped, { ...keepAll, ...swaps })!;
  const late = price(capped, { ...keepAll, ...swaps, ins: [] })!;
  assert.ok(early.stallSeconds < 0.7 * late.stallSeconds, `${early.stallSeconds} of ${late.stallSeconds}`);
});

test("a unit that alone needs more than there is has no swaps", () => {
  assert.equal(beladySwaps(view, order, sizes, 100_000), undefined);
});
