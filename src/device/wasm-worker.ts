/** One thread of the WebAssembly device: keeps its own table of kernels over the shared memory, and walks launch lists. */
import { parentPort, workerData } from "node:worker_threads";

export interface WorkerStart {
  readonly memory: WebAssembly.Memory;
  readonly driver: WebAssembly.Module;
  readonly threads: number;
  readonly scratch: number;
  readonly control: number;
}

export type WorkerMessage =
  | { readonly kind: "install"; readonly module: WebAssembly.Module; readonly size: number }
  | { readonly kind: "run"; readonly records: number; readonly count: number };

const { memory, driver, threads, scratch, control } = workerData as WorkerStart;
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
    run(message.records, message.count, threads, scratch, control);
    parentPort?.postMessage(undefined);
  } catch (error) {
    parentPort?.postMessage(error);
  }
});
