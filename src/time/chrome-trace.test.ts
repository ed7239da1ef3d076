import assert from "node:assert/strict";
import { test } from "node:test";
import { chromeTrace } from "./chrome-trace.ts";

test("spans become complete events in microseconds, on named tracks", () => {
  const { traceEvents } = chromeTrace([
    { process: "decode", thread: 0, name: "a", from: 0, to: 1e-6, facts: { bytes: 3 } },
    { process: "prefill", thread: 1, name: "b", from: 2, to: 5 },
  ]);
  assert.deepEqual(traceEvents, [
    { ph: "M", name: "process_name", pid: 1, args: { name: "decode" } },
    { ph: "M", name: "process_name", pid: 2, args: { name: "prefill" } },
    { ph: "M", name: "thread_name", pid: 1, tid: 0, args: { name: "thread 0" } },
    { ph: "M", name: "thread_name", pid: 2, tid: 1, args: { name: "thread 1" } },
    { ph: "X", name: "a", pid: 1, tid: 0, ts: 0, dur: 1, args: { bytes: 3 } },
    { ph: "X", name: "b", pid: 2, tid: 1, ts: 2e6, dur: 3e6 },
  ]);
});
