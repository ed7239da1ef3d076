import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, nodeSpecs } from "../test/cluster-view.ts";
import { Bins } from "./bins.ts";
import { makeRoom } from "./make-room.ts";

const seat = (node: number, gpus: number) => ({ on: [{ node, gpus }] });

function roomFor(gpus: number, seats: readonly ReturnType<typeof seat>[]) {
  const { nodes } = clusterView([], nodeSpecs(3, 4));
  const bins = new Bins(nodes);
  for (const { on } of seats) bins.hold(on);
  const made = makeRoom(nodes, bins, seats, gpus, undefined, () => true);
  return { made, free: [0, 1, 2].map((node) => bins.free(node)) };
}

test("the smallest job of the emptiest node goes to the tightest hole", () => {
  const seats = [seat(0, 1), seat(0, 1), seat(1, 3), seat(2, 2)];
  const { made, free } = roomFor(3, seats);
  assert.deepEqual(made?.on, [{ node: 0, gpus: 3 }]);
  assert.deepEqual(made?.moved, [{ on: [{ node: 1, gpus: 1 }] }]);
  assert.deepEqual(free, [0, 0, 2]);
});

test("where no moves make room, nothing has changed", () => {
  const seats = [seat(0, 3), seat(1, 3), seat(2, 3)];
  const { made, free } = roomFor(2, seats);
  assert.equal(made, undefined);
  assert.deepEqual(free, [1, 1, 1]);
  assert.deepEqual(
    seats.map(({ on }) => on[0]!.node),
    [0, 1, 2],
  );
});
