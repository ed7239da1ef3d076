import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { activations, keepAll, type MemoryView, type Need } from "../memory.ts";
import gist from "./gist.ts";

const plan = (view: MemoryView, bits: number) => gist.create({ bits }).plan({ ...view, drops: [], records: [] });

/** The activations of a row of layers, read backward as told. */
const reading = (needs: readonly Need[], zeros?: number): MemoryView => {
  const view = plainNetwork(6);
  const all = new Set(activations(view));
  const tensors = view.tensors.map((t, id) =>
    all.has(id) ? { ...t, needs, ...(zeros !== undefined && { zeros }) } : t,
  );
  return { ...view, tensors };
};

test("signs and maxima become bits, a ReLU's result sparse rows, and the rest loses digits only if it may", () => {
  const forms = (view: MemoryView, bits: number): readonly string[] => [
    ...new Set(plan(view, bits).encodings.map((e) => e.as)),
  ];
  assert.deepEqual(forms(reading(["sign"], 0.5), 0), ["binary"]);
  assert.deepEqual(forms(reading(["sign", "greatest"], 0.5), 0), ["binary"]);
  assert.deepEqual(forms(reading(["value", "sign"], 0.5), 0), ["csr"]);
  assert.deepEqual(forms(reading(["value"], 0.1), 0), []);
  assert.deepEqual(
    [16, 10, 8].flatMap((bits) => forms(reading(["value"]), bits)),
    ["fp16", "fp10", "fp8"],
  );
});

test("a tensor is encoded after its last use forward, and its memory falls by what the form saves", () => {
  const peak = (view: MemoryView): number => price(view, plan(view, 0))!.peakBytes;
  const [kept, sparse, bits] = [
    price(plainNetwork(6), keepAll)!.peakBytes,
    peak(reading(["value"], 0.6)),
    peak(reading(["sign"])),
  ];
  assert.ok(bits < sparse && sparse < 0.85 * kept, `${bits}, ${sparse}, ${kept}`);
  const { encodings } = plan(reading(["sign"]), 0);
  for (const { tensor, after } of encodings) {
    const { uses } = plainNetwork(6).tensors[tensor]!;
    assert.ok(after < 12 && uses.every((u) => u <= after || u >= 12));
  }
});
