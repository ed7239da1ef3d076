/** Where layers draw from: a seed and a count, or within `withKey` a key that is a tensor, so that compiled steps draw anew. */
import { context, within } from "./context.ts";
import { randomKey } from "./creation.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

/** What is initialised and dropped from now on follows from `seed`. */
export function manualSeed(seed: number): void {
  context.random = { seed, draws: 0 };
}

/** Random layers within `body` draw by `key` (i32 [2]), the first from stream 0, the next from stream 1, … */
export const withKey = <T>(key: Tensor, body: () => T): T => within({ key: { tensor: key, streams: 0 } }, body);

/** A key and a stream of it that nothing else draws from. */
export function nextDraw(user: string): { readonly key: Tensor; readonly stream: number } {
  const { key, random } = context;
  if (key !== undefined) return { key: key.tensor, stream: key.streams++ };
  if (context.trace !== undefined)
    refuse(
      user,
      "a compiled function would draw the same each time.",
      "Give it a key: withKey(key, () => …), with the key an argument.",
    );
  return { key: randomKey(random.seed, random.draws++), stream: 0 };
}
