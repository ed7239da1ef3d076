/** What every launch policy promises: each item once, each call after those that it follows; and the check that holds it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { launchView, randomEdges } from "../test/launch-view.ts";
import { type LaunchPlan, launches, wholeCall } from "./launch.ts";
import { checkPlan, PlanOrder, withoutImplied } from "./launch-order.ts";

for (const id of launches.ids()) {
  test(`${id} plans random graphs on one to four threads so that the check finds nothing`, async () => {
    const seed = 5;
    const random = stream(seed);
    const policy = await launches.create(id);
    for (let run = 0; run < 60; run++) {
      const edges = randomEdges(random, 1 + Math.floor(random() * 40), 0.2);
      const calls = edges.map((after) => ({
        after,
        parts: 1 + Math.floor(random() * 9),
        seconds: 10 ** (-8 + 4 * random()),
      }));
      const view = { calls, threads: 1 + Math.floor(random() * 4) };
      checkPlan(view, policy.plan(view), id);
    }
  });
}

const view = launchView([[], [0], [0]], 2, 4);
const [first, second, third] = [wholeCall(0), wholeCall(1), wholeCall(2)];
const good: LaunchPlan = [{ ...first, barrier: true }, second, third];
const wrong: readonly (readonly [string, LaunchPlan, RegExp])[] = [
  ["a call is left out", good.slice(0, 2), /call 2 is done up to 0/],
  ["a call comes twice", [...good, third], /begins at 0 of call 2, not at 1/],
  ["a part is left out", [good[0]!, { ...second, to: 0.5 }, third], /call 1 is done up to 0.5/],
  ["parts overlap", [good[0]!, { ...second, to: 0.5 }, { ...second, from: 0.25 }, third], /begins at 0.25/],
  ["a part may be empty", [good[0]!, { ...second, to: 0.1 }, { ...second, from: 0.1 }, third], /may be empty/],
  ["nothing orders a call", [first, second, third], /of call 1 may begin before call 0 is done/],
  [
    "only a part is waited for",
    [{ ...first, to: 0.5 }, { ...first, from: 0.5 }, { ...second, after: [1] }, third],
    /call 1/,
  ],
  ["a task comes before what it follows", [second, first, third], /call 1 may begin before call 0/],
  ["a task waits for itself", [{ ...first, after: [0] }, second, third], /waits for task 0/],
  ["there is no such thread", [{ ...first, thread: 2 }, second, third], /for thread 2/],
  ["there is no such call", [wholeCall(3)], /call 3 of 3/],
];
for (const [what, plan, message] of wrong) {
  test(`a plan is refused where ${what}`, () => {
    assert.throws(() => checkPlan(view, plan, "bad"), { message });
  });
}

test("each way to order calls is accepted: a barrier, an end of the native call, a wait, a thread, and waits in a row", () => {
  const chain = launchView([[], [0], [1, 0]], 2);
  const task = (call: number, how: Partial<LaunchPlan[number]>) => ({ ...wholeCall(call), ...how });
  const plans: readonly LaunchPlan[] = [
    [task(0, { barrier: true }), task(1, { barrier: true }), task(2, {})],
    [task(0, { cut: true }), task(1, { cut: true }), task(2, {})],
    [task(0, {}), task(1, { after: [0] }), task(2, { after: [1] })],
    [task(0, { thread: 1 }), task(1, { thread: 1 }), task(2, { thread: 1 })],
    [task(0, { thread: 0 }), task(1, { thread: 0 }), task(2, { thread: 1, after: [1] })],
  ];
  for (const plan of plans) checkPlan(chain, plan, "good");
});

test("waits that follow from others are left out, and the order stays as it was", () => {
  const seed = 3;
  const random = stream(seed);
  for (let run = 0; run < 50; run++) {
    const plan = randomEdges(random, 30, 0.3).map((after, call) => {
      const thread = Math.floor(random() * 3);
      return { ...wholeCall(call), after, ...(thread < 2 && { thread }), barrier: random() < 0.1 };
    });
    const orderOf = (tasks: LaunchPlan) => {
      const known = new PlanOrder(tasks.length, 2);
      for (const task of tasks) known.push(task);
      return tasks.map((_, i) => tasks.map((_, j) => known.order.has(j, i)));
    };
    const less = withoutImplied(plan, 2);
    assert.deepEqual(orderOf(less), orderOf(plan), `seed ${seed}`);
    for (const [i, { after }] of less.entries()) {
      for (const wait of after) {
        const without = less.map((t, j) => (i === j ? { ...t, after: after.filter((a) => a !== wait) } : t));
        assert.notDeepEqual(orderOf(without), orderOf(plan), `seed ${seed}: task ${i} need not wait for ${wait}`);
      }
    }
  }
});
