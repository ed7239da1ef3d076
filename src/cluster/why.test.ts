import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobSpec } from "./job.ts";
import type { ClusterEvent } from "./launcher.ts";
import type { DecisionLine, LogLine } from "./log.ts";
import type { NodeSpec } from "./node.ts";
import { WaitReading, type WaitStory } from "./why.ts";

const nodes: readonly NodeSpec[] = [0, 1].map((i) => ({ id: `n${i}`, type: "v100", gpus: 4 }));

const submitted = (id: string, at: number, gpus: number): LogLine => {
  const job: JobSpec = { id, submit: at, gpus, tenant: `of-${id}`, priority: 0, weight: 1 };
  return { at, kind: "event", event: { kind: "submitted", at, job } };
};
const event = (kind: "stopped" | "finished", at: number, job: string, attempt = 0): LogLine => {
  const what: ClusterEvent = { kind, at, job, attempt };
  return { at, kind: "event", event: what };
};
/** `a@0:4` starts job a on 4 GPUs of node 0. */
const decided = (at: number, free: number, starts: readonly string[], rest: Partial<DecisionLine> = {}): LogLine => ({
  ...{ at, kind: "decided", stop: [], unplaced: [], reject: [], waiting: 0, free },
  start: starts.map((text) => {
    const [, job = "", node, gpus] = /^(\w+)@(\d):(\d)$/.exec(text)!;
    return { job, on: [{ node: Number(node), gpus: Number(gpus) }], beside: [], later: false };
  }),
  ...rest,
});

function told(id: string, lines: readonly LogLine[]): WaitStory {
  const reading = new WaitReading(id, nodes);
  for (const line of lines) reading.add(line);
  return reading.story()!;
}

const spellsOf = ({ spells }: WaitStory): unknown[] => spells.map(({ reason, from, to }) => [reason, from, to]);

test("each decision that does not start it gives the reason until the next", () => {
  const story = told("j", [
    ...[submitted("a", 0, 4), submitted("b", 0, 2), decided(0, 2, ["a@0:4", "b@1:2"])],
    ...[submitted("j", 10, 4), decided(15, 2, []), submitted("c", 20, 2), decided(20, 0, ["c@1:2"])],
    // Four GPUs are free, but no four of one node.
    ...[
      event("finished", 40, "c"),
      event("finished", 40, "a"),
      decided(40, 4, ["d@0:2"].slice(1), { unplaced: ["j"] }),
    ],
    ...[decided(50, 6, []), decided(70, 2, ["j@0:4"]), event("finished", 100, "j")],
  ]);
  assert.deepEqual(spellsOf(story), [
    ["undecided", 10, 15],
    ["full", 15, 40],
    ["scattered", 40, 50],
    ["passed-over", 50, 70],
  ]);
  assert.deepEqual([story.waited, story.ran, story.end], [60, 30, 100]);
  assert.deepEqual([story.startedMeanwhile, story.overtakers], [1, 1]);
  const rivals = story.rivals.map((rival) => [rival.id, rival.held, rival.overtook]);
  assert.deepEqual(rivals, [
    ["a", 30 * 4, false],
    ["b", 60 * 2, false],
    ["c", 20 * 2, true],
  ]);
});

test("GPUs that are free on too many nodes are counted by node", () => {
  const story = told("j", [
    ...[submitted("a", 0, 2), submitted("b", 0, 3), decided(0, 3, ["a@0:2", "b@1:3"])],
    ...[submitted("j", 5, 3), decided(5, 3, [], { unplaced: ["j"] }), decided(9, 3, [])],
  ]);
  const [scattered] = story.spells;
  assert.deepEqual([scattered!.reason, scattered!.freeMost, scattered!.freeTogether], ["scattered", 3, 2]);
});

test("behind one that has waited longer and needs more", () => {
  const story = told("j", [
    ...[submitted("a", 0, 4), decided(0, 4, ["a@0:4"]), submitted("big", 1, 8), decided(1, 4, [])],
    ...[submitted("j", 5, 1), decided(5, 4, []), event("finished", 30, "a"), decided(30, 0, [])],
  ]);
  assert.deepEqual([story.spells[0]!.reason, story.spells[0]!.behind], ["passed-over", "big"]);
});

test("a preemption names those that were started for it, and the wait goes on from there", () => {
  const story = told("j", [
    ...[submitted("j", 0, 4), decided(0, 4, ["j@0:4"]), submitted("k", 10, 4)],
    decided(10, 0, [], {
      stop: ["j"],
      start: [{ job: "k", on: [{ node: 0, gpus: 4 }], beside: [], later: true }],
    }),
    ...[event("stopped", 12, "j"), { at: 12, kind: "launched", job: "k", attempt: 0 } as const],
    ...[event("finished", 32, "k"), decided(32, 4, ["j@0:4"]), event("finished", 40, "j", 1)],
  ]);
  assert.deepEqual(
    story.moments.map(({ at, what, detail }) => [at, what, detail]),
    [
      [0, "submitted", ""],
      [0, "started", "4 on node 0"],
      [10, "stopped", "k"],
      [32, "started", "4 on node 0"],
      [40, "finished", ""],
    ],
  );
  assert.deepEqual([story.waited, story.ran], [22, 12 + 8]);
});

test("a job that no node can hold is refused, and one that never runs waits to the end of the log", () => {
  const refused = told("j", [submitted("j", 3, 64), { at: 3, kind: "refused", job: "j", why: "there are 8" }]);
  assert.deepEqual(refused.moments.at(-1), { at: 3, what: "refused", detail: "there are 8" });
  const forever = told("j", [submitted("j", 0, 4), decided(0, 8, []), submitted("x", 50, 1)]);
  assert.deepEqual([forever.waited, forever.end], [50, undefined]);
  assert.equal(new WaitReading("j", nodes).story(), undefined);
});
