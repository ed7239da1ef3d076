/** The threads of a WebAssembly device: each is sent every message, and a run ends when all have answered. */
import { Worker } from "node:worker_threads";
import { assert } from "../core/errors.ts";
import type { Times, WorkerMessage, WorkerStart } from "./wasm-worker.ts";

export interface Threads {
  post(message: WorkerMessage): void;
  /** What each thread answers. Rejects when a thread fails, and from then on. */
  run(message: Extract<WorkerMessage, { kind: "run" }>): Promise<readonly (Times | undefined)[]>;
  close(): Promise<void>;
}

/** One thread for each start. They keep the process alive only while they run. */
export function startThreads(starts: readonly WorkerStart[]): Threads {
  const workers = starts.map((workerData) => {
    // No options of this process: `--input-type` and the like are refused for a file.
    const worker = new Worker(new URL("./wasm-worker.js", import.meta.url), { workerData, execArgv: [] });
    worker.unref();
    return worker;
  });
  let failure: Error | undefined;
  let running = false;
  let closed = false;
  // One thread that stops leaves the others at a barrier for good: all of them end, and the device with them.
  const fail = async (error: Error): Promise<void> => {
    failure ??= error;
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  for (const worker of workers) worker.on("error", (error) => void fail(error));
  const post = (message: WorkerMessage): void => {
    for (const worker of workers) worker.postMessage(message);
  };
  return {
    post,
    async run(message) {
      assert(!running && !closed, () => "runs of a device must not overlap, nor follow its end");
      if (failure !== undefined) throw failure;
      running = true;
      for (const worker of workers) worker.ref();
      try {
        const all = Promise.all(workers.map(answer));
        post(message);
        return await all;
      } catch (error) {
        await fail(error as Error);
        throw error;
      } finally {
        running = false;
        for (const worker of workers) worker.unref();
      }
    },
    async close() {
      assert(!running, () => "a device was closed while it ran");
      closed = true;
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Resolves when the thread has finished its list, rejects when it failed. */
function answer(worker: Worker): Promise<Times | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (said: Error | Times | undefined): void => {
      worker.off("message", settle);
      worker.off("error", settle);
      if (said instanceof Error) reject(said);
      else resolve(said);
    };
    worker.on("message", settle);
    worker.on("error", settle);
  });
}
