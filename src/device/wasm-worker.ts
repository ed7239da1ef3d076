/**
 * One thread of the WebAssembly device: keeps its own table of kernels over the shared memory, and walks launch lists.
 *
 * A timed list is walked record by record from here, so that all threads meet after each record: what takes how long is
 * seen, what overlaps is not.
 */
import { parentPort, workerData } from "node:worker_threads";
import { record } from "./device.ts";

export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  readonly driver: WebAssembly.Module;
  readonly threads: number;
  readonly scratch: number;
  readonly control: number;
  /** Which thread this is, from 1 on. */
  readonly thread: number;
}

export type WorkerMessage =
  | { readonly kind: "install"; readonly module: WebAssembly.Module; readonly size: number }
  | { readonly kind: "run"; readonly records: number; readonly count: number; readonly timed?: boolean };

/** What a thread answers to a timed run: when each record began and ended, in milliseconds of the system's clock. */
export type Times = readonly (readonly [begin: number, end: number])[];

const { memory, driver, threads, scratch, control, thread } = workerData as WorkerStart;
const table = new WebAssembly.Table({ element: "anyfunc", initial: 0 });
const env = { env: { memory, table } };
const run = new WebAssembly.Instance(driver, env).exports.run as (...numbers: number[]) => void;

parentPort?.on("message", (message: WorkerMessage) => {
  if (message.kind === "install") {
    table.grow(message.size - table.length);
    new WebAssembly.Instance(message.module, env);
    return;
  }
  try {
    if (message.timed) return parentPort?.postMessage(timedRun(message.records, message.count));
    run(message.records, message.count, threads, scratch, control, thread);
    parentPort?.postMessage(undefined);
  } catch (error) {
    parentPort?.postMessage(error);
  }
});

function timedRun(records: number, count: number): Times {
  const now = (): number => performance.timeOrigin + performance.now();
  return Array.from({ length: count }, (_, i) => {
    const begin = now();
    run(records + i * record.stride, 1, threads, scratch, control, thread);
    return [begin, now()] as const;
  });
}
