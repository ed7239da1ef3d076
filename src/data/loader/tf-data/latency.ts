/** What a setting costs, before it is tried: stages as queues between a producer and a consumer, as tf.data models them. */
import type { LoaderView, Setting } from "../../loader.ts";

/**
 * The share of calls that find a buffer of `slots` empty, in a queue M/M/1/k whose items come every `producer` seconds and are
 * asked for every `consumer` seconds.
 */
export function emptyShare(producer: number, consumer: number, slots: number): number {
  if (producer <= 0) return 0;
  const load = consumer / producer;
  if (Math.abs(load - 1) < 1e-9) return 1 / (slots + 1);
  return (1 - load) / (1 - load ** (slots + 1));
}

/** Seconds of a whole step: the consumer's own, and what it waits for a batch. */
export function predictStep(view: LoaderView, settings: readonly Setting[]): number {
  const own = view.stages.map(({ seconds, tasksPerBatch }, i) => {
    const { parallelism } = settings[i]!;
    if (parallelism === 0) return seconds;
    // A batch whose tasks are fewer than the parallelism is made beside other batches: its period shrinks all the same.
    return (seconds + view.dispatchSeconds * tasksPerBatch) / parallelism;
  });
  let waited = 0;
  for (const [i, { parallelism, buffer }] of settings.entries()) {
    const producer = own[i]! + waited;
    const asked = own[i + 1] ?? view.consumerSeconds;
    waited = parallelism === 0 ? producer : emptyShare(producer, asked, buffer) * producer;
  }
  return view.consumerSeconds + waited;
}

/** Bytes that a setting keeps: what waits to be taken, and what is being made. */
export const bytesHeld = (view: LoaderView, settings: readonly Setting[]): number =>
  settings.reduce((sum, { buffer }, i) => sum + buffer * view.stages[i]!.bytesPerBatch, 0);
