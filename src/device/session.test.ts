/** Which thread runs a launch list: this one, where it was short before, and other work of this thread goes first. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { LaunchList } from "./launch-list.ts";
import { runList } from "./session.ts";

/** A device whose runs take so long by the clock that `context` has from then on. */
function counted(context: TestContext, seconds: number, machine = true) {
  const ran: string[] = [];
  let now = 0;
  context.mock.method(performance, "now", () => now);
  const work = (): void => void (now += seconds * 1000);
  const device = {
    machine,
    async run() {
      ran.push("apart");
      work();
    },
    runNow() {
      ran.push("here");
      work();
    },
  };
  const records = { address: 0, bytes: 0, buffer: new ArrayBuffer(0), offset: 0 };
  const list: Pick<LaunchList, "segments" | "seconds"> = { segments: [{ records, count: 1, first: 0 }] };
  return { device, list, ran };
}

test("a list runs apart at first, and on this thread once it was short", async (context) => {
  const { device, list, ran } = counted(context, 0.01);
  for (let i = 0; i < 3; i++) await runList(device, list);
  assert.deepEqual(ran, ["apart", "here", "here"]);
});

test("a list that takes long never holds this thread, nor does one of WebAssembly", async (context) => {
  for (const [seconds, machine] of [
    [0.011, true],
    [0, false],
  ] as const) {
    const { device, list, ran } = counted(context, seconds, machine);
    for (let i = 0; i < 3; i++) await runList(device, list);
    assert.deepEqual(ran, ["apart", "apart", "apart"]);
  }
});

test("what waits for this thread is done before it is held", async (context) => {
  const { device, list, ran } = counted(context, 0);
  list.seconds = 0;
  setImmediate(() => ran.push("other work"));
  await runList(device, list);
  assert.deepEqual(ran, ["other work", "here"]);
});
