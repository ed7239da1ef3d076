import assert from "node:assert/strict";
import { test } from "node:test";
import { tunerRigs } from "../../sim/rig/tuner.ts";
import { x64Targets } from "../render/x64.ts";
import { Space } from "../schedule/space.ts";
import { tuners } from "../tuner.ts";
import { sketchesOf } from "./ansor/sketches.ts";

const [rig] = tunerRigs;
const stepSeconds = async (id: string, given = {}): Promise<number> =>
  (await rig!.measure(id, "sim", "gemma", given)).stepSeconds!;

test("with as many trials a step becomes faster than with a template; without sketches or scheduler less so", async () => {
  const [ansor, tvm] = [await stepSeconds("ansor"), await stepSeconds("tvm")];
  assert.ok(tvm / ansor >= 1.05, `${tvm / ansor}`);
  assert.ok((await stepSeconds("ansor", { sketches: 0 })) / ansor >= 1.05, "the template alone");
  assert.ok((await stepSeconds("ansor", { gradient: 0 })) / ansor >= 1.03, "each product in turn");
});

const target = x64Targets["x64-avx512"];
const spaceOf = (tokens: number, kind: "blocks" | "f32" = "blocks") =>
  new Space({
    format: kind === "f32" ? { kind } : { kind, type: "Q4_0" },
    n: 64,
    k: 64,
    target,
    tokens: [tokens],
  });

test("rules derive what the product allows: floats are not unpacked, one token has no tail", () => {
  assert.equal(sketchesOf(spaceOf(16)).length, 2 * 2 * 2 * 3);
  assert.equal(sketchesOf(spaceOf(16, "f32")).length, 2 * 2 * 3);
  assert.deepEqual(new Set(sketchesOf(spaceOf(1)).map((s) => `${s.order} ${s.tail}`)), new Set(["tokens halves"]));
});

test("trials go where a step gains the most: to what takes long, and still becomes faster", async () => {
  const ansor = await tuners.create("ansor", { batch: 2 });
  const trial = (space: Space, relative: number) => ({ tile: space.analytical, relative });
  const taskWith = (times: number, relatives: readonly number[]) => {
    const space = spaceOf(16);
    return { space, times, seconds: 1e-3, trials: relatives.map((r) => trial(space, r)) };
  };
  const next = (tasks: readonly ReturnType<typeof taskWith>[]): number =>
    ansor.propose({ tasks, trialsLeft: 9, seed: 1 })[0]!.task;
  assert.equal(next([taskWith(1, [1, 0.9]), taskWith(9, [1, 0.9])]), 1, "computed more often");
  assert.equal(next([taskWith(1, [1, 0.9, 0.9, 0.9, 0.9, 0.9]), taskWith(1, [1, 0.9])]), 1, "tried less");
  assert.equal(next([taskWith(9, [1, 0.9]), taskWith(1, [])]), 1, "never tried");
});
