import assert from "node:assert/strict";
import { test } from "node:test";
import { type LayerShape, plainNetwork, trainingStep } from "../../test/memory-view.ts";
import { price } from "../memory/modelled.ts";
import { keepAll } from "../memory.ts";
import superneurons from "./superneurons.ts";

const policy = superneurons.create({});

test("what cheap layers made is dropped, and no convolution runs again", () => {
  const view = plainNetwork(8);
  const drops = policy.drops(view);
  assert.ok(drops.length >= 7 && drops.every((d) => /^act/.test(view.tensors[d.tensor]!.name)));
  const { runs } = price(view, { ...keepAll, drops })!;
  const again = runs.filter((r) => r.again).map((r) => view.units[r.unit]!);
  assert.ok(again.length > 0 && again.every((u) => u.kind === "other"));
});

test("a segment that outweighs the largest layer is computed again for each use, a small one once", () => {
  const cheap = (name: string, bytes: number): LayerShape => ({ name, bytes, seconds: 0.01, kind: "other" });
  const conv = (name: string): LayerShape => ({ ...cheap(name, 8192), kind: "convolution" });
  const layers = [conv("c0"), cheap("a", 8192), cheap("b", 8192), conv("c1")];
  const long = Array.from({ length: 8 }, (_, i) => cheap(`long${i}`, 8192));
  const view = trainingStep([...layers, ...long, conv("c2"), conv("c3")]);
  const stays = new Map(policy.drops(view).map((d) => [view.tensors[d.tensor]!.name, d.stays]));
  assert.deepEqual(
    [stays.get("a"), stays.get("b"), stays.get("long0"), stays.get("long6")],
    [true, true, false, false],
  );
});
