/** Threads of a loader: started when there is work for them, ended together. A task goes to the one that has least to do. */
import { Worker } from "node:worker_threads";
import { bytesOf, type Fields } from "./fields.ts";
import type { TaskResult } from "./loader-engine.ts";
import type { RecordTask, WorkerAnswer, WorkerSetup, WorkerTask } from "./task.ts";

interface Waiting {
  readonly done: (result: TaskResult<Fields>) => void;
  readonly failed: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting>;
}

export class Workers {
  readonly #setup: WorkerSetup;
  readonly #most: number;
  readonly #threads: Thread[] = [];
  #tasks = 0;
  #closed = false;

  constructor(setup: WorkerSetup, most: number) {
    this.#setup = setup;
    this.#most = Math.max(1, most);
  }

  run(task: RecordTask, done: Waiting["done"], failed: Waiting["failed"]): void {
    const id = this.#tasks++;
    const thread = this.#threadFor();
    // Only a thread that is waited for keeps the process alive.
    thread.worker.ref();
    thread.waiting.set(id, { done, failed });
    thread.worker.postMessage({ ...task, id } satisfies WorkerTask);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  #threadFor(): Thread {
    const idlest = this.#threads.reduce<Thread | undefined>(
      (best, thread) => (best !== undefined && best.waiting.size <= thread.waiting.size ? best : thread),
      undefined,
    );
    const full = this.#threads.length >= this.#most;
    return idlest !== undefined && (full || idlest.waiting.size === 0) ? idlest : this.#start();
  }

  #start(): Thread {
    // No options of this process: `--input-type` and the like are refused for a file.
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: this.#setup, execArgv: [] });
    const waiting: Thread["waiting"] = new Map();
    worker.unref();
    worker.on("message", (answer: WorkerAnswer) => {
      const { done, failed } = waiting.get(answer.id)!;
      waiting.delete(answer.id);
      // An answer that comes while the thread ends must not take from it what keeps the process waiting for that.
      if (this.#closed) return;
      if (waiting.size === 0) worker.unref();
      if ("error" in answer) failed(answer.error);
      else done({ item: answer.fields, seconds: answer.seconds, bytes: bytesOf(answer.fields) });
    });
    worker.on("error", (error) => {
      for (const { failed } of waiting.values()) failed(error);
    });
    const thread = { worker, waiting };
    this.#threads.push(thread);
    return thread;
  }
}
