import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { launchView, randomEdges } from "../../test/launch-view.ts";
import { minimumEquivalent, streamsOf } from "../launch-streams.ts";
import nimble from "./nimble.ts";

const policy = nimble.create({ grain: 2000 });

test("branches run on threads of their own, and wait only where they part and where they meet", () => {
  // 0 parts into 1-3 and 2-4, which meet in 5; 5 also follows 0 directly.
  const plan = policy.plan(launchView([[], [0], [0], [1], [2], [0, 3, 4]], 2));
  const threads = plan.map((task) => task.thread);
  assert.equal(threads[1], threads[3]);
  assert.equal(threads[2], threads[4]);
  assert.notEqual(threads[1], threads[2]);
  assert.equal(plan.flatMap((task) => task.after).length, 2);
  assert.ok(plan.every((task) => !task.cut && !task.barrier));
});

test("a call that is too long for one thread is shared, and waited for", () => {
  const { calls } = launchView([[], [0], [1]], 2, 8);
  const plan = policy.plan({ threads: 2, calls: calls.map((c, i) => (i === 1 ? { ...c, seconds: 1e-3 } : c)) });
  assert.deepEqual(
    plan.map(({ thread, after }) => [thread, after]),
    [
      [0, []],
      [undefined, [0]],
      [0, [1]],
    ],
  );
});

test("edges that follow from others neither choose a stream nor make anybody wait", () => {
  const seed = 11;
  const random = stream(seed);
  for (let run = 0; run < 60; run++) {
    const edges = randomEdges(random, 7, 0.5);
    const least = minimumEquivalent(edges);
    const streams = streamsOf(least);
    const crossing = least.flatMap((earlier, i) => earlier.filter((e) => streams[e] !== streams[i])).length;
    const waits = policy.plan(launchView(edges, 7)).flatMap((task) => task.after).length;
    assert.ok(waits <= crossing, `seed ${seed}: ${JSON.stringify(edges)}: ${waits} waits, ${crossing} edges`);
  }
});

test("streams keep apart whatever is not ordered, with the fewest edges between them of all such assignments", () => {
  const seed = 11;
  const random = stream(seed);
  for (let run = 0; run < 60; run++) {
    const after = minimumEquivalent(randomEdges(random, 7, 0.3));
    const reaches = reachable(after);
    const apart = (streams: readonly number[]): boolean =>
      streams.every((s, i) => streams.every((t, j) => j >= i || s !== t || reaches[i]!.has(j)));
    const crossing = (streams: readonly number[]): number =>
      after.reduce((n, earlier, i) => n + earlier.filter((e) => streams[e] !== streams[i]).length, 0);
    const least = Math.min(...assignments(7).filter(apart).map(crossing));
    const streams = streamsOf(after);
    assert.ok(apart(streams), `seed ${seed}: ${JSON.stringify(after)}: ${streams}`);
    assert.equal(crossing(streams), least, `seed ${seed}: ${JSON.stringify(after)}: ${streams}`);
  }
});

function reachable(after: readonly (readonly number[])[]): readonly Set<number>[] {
  const sets: Set<number>[] = [];
  for (const earlier of after) sets.push(new Set(earlier.flatMap((e) => [e, ...sets[e]!])));
  return sets;
}

/** All partitions of `count` things, each thing's part numbered. */
function assignments(count: number): readonly (readonly number[])[] {
  let all: (readonly number[])[] = [[]];
  for (let i = 0; i < count; i++) {
    all = all.flatMap((a) => Array.from({ length: Math.max(-1, ...a) + 2 }, (_, part) => [...a, part]));
  }
  return all;
}
