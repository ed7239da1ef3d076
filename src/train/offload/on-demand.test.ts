import assert from "node:assert/strict";
import { test } from "node:test";
import { plainNetwork } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll } from "../memory.ts";
import onDemand from "./on-demand.ts";

test("nothing leaves while there is room; then what was used least recently does", () => {
  const plan = onDemand.create({}).plan({ ...plainNetwork(2), drops: [], records: [] });
  const view = plainNetwork(8);
  const kept = price(view, keepAll)!;
  assert.equal(price(view, plan)!.outBytes, 0);
  const capped = price({ ...view, capacity: 0.6 * kept.peakBytes }, plan)!;
  // Parameters that no layer has read yet go before everything else.
  const names = capped.evicted.map((t) => view.tensors[t]!.name).filter((name) => !name.endsWith("parameters"));
  assert.deepEqual(names.slice(0, 3), ["data", "conv0", "act0"]);
  assert.ok(capped.seconds > kept.seconds && capped.stallSeconds > 0);
});
