/** Many policies at once, each on a thread of its own, as many as there are cores. */
import { Worker } from "node:worker_threads";
import { UserError } from "../../core/errors.ts";
import type { Replayed, ReplayTask } from "./replay-task.ts";
import type { Message } from "./replay-worker.ts";

export interface Watcher {
  /** Jobs of the task that have ended. */
  progress(task: number, ended: number): void;
  done(task: number, replayed: Replayed): void;
}

/**
 * Four times what Node gives a thread. What a replay makes is needed for some events, and then no more: the longer nobody looks, the
 * less of it is left to be copied.
 */
const maxYoungGenerationSizeMb = 192;

/** Replays every task; answers in their order. The first that fails ends the others. */
export async function replaySideBySide(
  tasks: readonly ReplayTask[],
  threads: number,
  watcher: Watcher,
): Promise<Replayed[]> {
  const results: Replayed[] = [];
  const running = new Set<Worker>();
  let next = 0;
  const drain = async (): Promise<void> => {
    while (next < tasks.length) {
      const task = next++;
      results[task] = await replayOnThread(tasks[task]!, running, (ended) => watcher.progress(task, ended));
      watcher.done(task, results[task]);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(threads, tasks.length) }, drain));
  } finally {
    await Promise.all([...running].map((worker) => worker.terminate()));
  }
  return results;
}

function replayOnThread(task: ReplayTask, running: Set<Worker>, progress: (ended: number) => void): Promise<Replayed> {
  const resourceLimits = { maxYoungGenerationSizeMb };
  const worker = new Worker(new URL("./replay-worker.js", import.meta.url), {
    workerData: task,
    resourceLimits,
    execArgv: [],
  });
  running.add(worker);
  return new Promise<Replayed>((resolve, reject) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "progress") progress(message.ended);
      else if (message.kind === "done") resolve(message.replayed);
      else reject(new UserError(message.message));
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`bug: ${task.policy.name} ended with ${code}, and no answer`)));
  }).finally(() => running.delete(worker));
}
