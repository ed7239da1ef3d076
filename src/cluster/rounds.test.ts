import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../test/cluster-view.ts";
import { nothing } from "./decision.ts";
import { Rounds } from "./rounds.ts";

const runs = jobView("a", {}, { places: [{ node: 0, gpus: 1 }] });
const waits = jobView("a");

test("a round that begins late ends when it would have ended; after an empty one, the next begins at once", () => {
  const rounds = new Rounds(100);
  const at = (now: number, job = runs) => {
    const view = clusterView([job], nodeSpecs(1, 1), { now });
    return [rounds.begins(view), rounds.began, rounds.until(view, nothing).wake];
  };
  assert.deepEqual(at(5, waits), [true, 5, 105]);
  assert.deepEqual(at(60), [false, 5, 105]);
  assert.deepEqual(at(108), [true, 105, 205], "three seconds late");
  assert.deepEqual(at(204), [false, 105, 205]);
  assert.deepEqual(at(206), [true, 205, 305]);
  assert.deepEqual(at(540), [true, 505, 605], "the scheduler was away for two rounds");
  assert.deepEqual(at(550, waits), [true, 550, 650]);
});
