/** A thread that replays one policy; see `side-by-side.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { UserError } from "../../core/errors.ts";
import { type Replayed, type ReplayTask, replayTask } from "./replay-task.ts";

export type Message =
  | { readonly kind: "progress"; readonly ended: number }
  | { readonly kind: "done"; readonly replayed: Replayed }
  /** The user's mistake, which a thread's error event would turn into ours. */
  | { readonly kind: "mistake"; readonly message: string };

const send = (message: Message): void => parentPort!.postMessage(message);

try {
  const replayed = await replayTask(workerData as ReplayTask, (ended) => send({ kind: "progress", ended }));
  send({ kind: "done", replayed });
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  send({ kind: "mistake", message: error.message });
}
