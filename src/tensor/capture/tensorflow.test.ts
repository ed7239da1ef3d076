/** A graph and sessions: pruned to what is fetched, cut between devices, equal to the whole. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArrayBuilder } from "../../graph/array-builder.ts";
import { ArrayMath } from "../../graph/array-math.ts";
import { captures } from "../capture.ts";
import { tensor } from "../creation.ts";
import { partitioned, placed, pruned } from "./tensorflow/partition.ts";
import { Session } from "./tensorflow/session.ts";

function chain(length: number) {
  const m = new ArrayMath(new ArrayBuilder());
  const x = m.builder.add({ kind: "input", name: "x" }, [], { dtype: "f32", shape: [2] });
  let value = x;
  for (let i = 0; i < length; i++) value = m.add(m.unary("tanh", value), x);
  return m.builder.finish({ early: m.unary("exp", x), late: value });
}
const feeds = new Map([["x", tensor([0.1, 0.2])]]);

test("a fetch runs what it needs, and no more", () => {
  const session = new Session(chain(6), 2);
  const early = session.run(["early"], feeds);
  assert.equal(early.operations, 1);
  assert.equal(session.run(["late"], feeds).operations, 12);
  assert.ok(Math.abs((early.results[0]!.toArray() as number[])[0]! - Math.exp(0.1)) < 1e-6);
});

test("devices get what they lack by Send and Recv, once each, and compute the same", () => {
  const graph = chain(6);
  const [one] = new Session(graph, 1).run(["late"], feeds).results;
  for (const devices of [1, 2, 4]) {
    const { results, sent } = new Session(graph, devices).run(["late"], feeds);
    assert.deepEqual(results[0]!.toArray(), one!.toArray());
    assert.equal(sent > 0, devices > 1);
    const nodes = pruned(graph, ["late"]);
    const parts = partitioned(nodes, placed(nodes, devices), devices);
    const keys = (kind: string) =>
      parts.flatMap(({ steps }) => steps.flatMap((s) => (s.kind === kind && "key" in s ? [s.key] : []))).sort();
    assert.deepEqual(keys("send"), keys("recv"));
    assert.equal(new Set(keys("send")).size, sent);
  }
});

test("a synchronous step waits for all workers but the spare", async () => {
  assert.equal((await captures.create("tensorflow", { spare: 1 })).quorum(5), 4);
  assert.equal((await captures.create("tensorflow", { spare: 9 })).quorum(5), 1);
});
