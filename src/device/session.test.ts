/** Which thread runs a launch list: this one, where it was short before, and other work of this thread goes first. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LaunchList } from "./launch-list.ts";
import { runList } from "./session.ts";

function counted(seconds: number, machine = true) {
  const ran: string[] = [];
  const device = {
    machine,
    async run() {
      ran.push("apart");
      if (seconds > 0) await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    },
    runNow: () => void ran.push("here"),
  };
  const records = { address: 0, bytes: 0, buffer: new ArrayBuffer(0), offset: 0 };
  const list: Pick<LaunchList, "segments" | "seconds"> = { segments: [{ records, count: 1, first: 0 }] };
  return { device, list, ran };
}

test("a list runs apart at first, and on this thread once it was short", async () => {
  const { device, list, ran } = counted(0);
  for (let i = 0; i < 3; i++) await runList(device, list);
  assert.deepEqual(ran, ["apart", "here", "here"]);
});

test("a list that takes long never holds this thread, nor does one of WebAssembly", async () => {
  for (const { device, list, ran } of [counted(0.02), counted(0, false)]) {
    for (let i = 0; i < 3; i++) await runList(device, list);
    assert.deepEqual(ran, ["apart", "apart", "apart"]);
  }
});

test("what waits for this thread is done before it is held", async () => {
  const { device, list, ran } = counted(0);
  list.seconds = 0;
  setImmediate(() => ran.push("other work"));
  await runList(device, list);
  assert.deepEqual(ran, ["other work", "here"]);
});
