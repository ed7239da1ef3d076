import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { VirtualClock } from "./virtual-clock.ts";

test("callbacks come by time, of equal times in the order in which they were asked for, also those that others ask for", () => {
  const random = stream(11);
  const clock = new VirtualClock();
  const asked: { readonly at: number; readonly order: number }[] = [];
  const fired: { readonly at: number; readonly order: number }[] = [];
  const ask = (at: number): void => {
    const call = { at, order: asked.length };
    asked.push(call);
    clock.at(at, () => {
      assert.equal(clock.now(), at);
      fired.push(call);
      // Some now, some later; few times, so that many are equal.
      for (let more = 0; more < 2 && asked.length < 20_000; more++) ask(at + Math.floor(6 * random()));
    });
  };
  for (let i = 0; i < 3000; i++) ask(Math.floor(200 * random()));
  const end = clock.run();
  assert.equal(fired.length, asked.length);
  assert.deepEqual(
    fired,
    asked.toSorted((a, b) => a.at - b.at || a.order - b.order),
  );
  assert.equal(end, fired.at(-1)!.at);
});

test("nothing can be asked for in the past", () => {
  const clock = new VirtualClock();
  clock.at(5, () => undefined);
  clock.run();
  assert.throws(() => clock.at(4, () => undefined), /already 5 s/);
});

test("what is forgotten is left out or called, the others come as if nothing had been forgotten", () => {
  const random = stream(12);
  const clock = new VirtualClock();
  const kept: { readonly at: number; readonly order: number }[] = [];
  const fired: { readonly at: number; readonly order: number }[] = [];
  let late = 0;
  for (let order = 0; order < 20_000; order++) {
    const at = Math.floor(500 * random());
    if (order % 5 === 0) {
      kept.push({ at, order });
      clock.at(at, () => fired.push({ at, order }));
    } else {
      const fire = (): number => late++;
      clock.at(at, fire);
      clock.forget(fire);
    }
  }
  clock.run();
  assert.deepEqual(
    fired,
    kept.toSorted((a, b) => a.at - b.at || a.order - b.order),
  );
  assert.ok(late <= 4000, `${late} of 16,000 forgotten ones were kept`);
});
