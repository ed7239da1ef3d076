/** The main module of a loader's thread: applies functions of a module to records, as it is told to. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../core/errors.ts";
import type { Fields, RecordModule } from "./fields.ts";
import { runTask, type WorkerAnswer, type WorkerSetup, type WorkerTask } from "./task.ts";

const port = parentPort;
assert(port !== null, () => "this module runs in a thread of its own");
const { module, configuration } = workerData as WorkerSetup;
const loaded = (await import(module)) as RecordModule;
const maps = loaded.createMaps(configuration);

port.on("message", (task: WorkerTask) => {
  const began = performance.now();
  try {
    const fields = runTask(maps, task);
    const answer: WorkerAnswer = { id: task.id, fields, seconds: (performance.now() - began) / 1e3 };
    port.postMessage(answer, transferable(fields));
  } catch (error) {
    port.postMessage({ id: task.id, error } satisfies WorkerAnswer);
  }
});

/** Memory that is all of one array may move; what is a part of some other, or shared, is copied. */
function transferable(fields: Fields): ArrayBuffer[] {
  const whole = Object.values(fields).filter((a) => a.byteLength === a.buffer.byteLength);
  return [...new Set(whole.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer))];
}
