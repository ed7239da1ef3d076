/** When memory is given back, and when gradients are recorded: both for the time of a call. */
import { context, within } from "./context.ts";
import type { Handle } from "./handle.ts";
import { leavesOfTree } from "./tree.ts";

/** No operation within `body` is recorded for a backward pass. */
export const noGrad = <T>(body: () => T): T => within({ recording: false }, body);

/** Operations are recorded within `body`, inside of a `noGrad` too. */
export const enableGrad = <T>(body: () => T): T => within({ recording: true }, body);

/**
 * Disposes of every tensor made within `body` but those that it returns (in objects and arrays), those given to `keep`, and
 * gradients of what was made outside.
 */
export function tidy<T>(body: () => T): T {
  const scope = new Set<Handle>();
  const outer = context.scope;
  const result = within({ scope }, body);
  for (const t of leavesOfTree(result)) {
    if (scope.delete(t)) outer?.add(t);
  }
  for (const t of scope) t.dispose();
  return result;
}

/** Takes a tensor out of the `tidy` that runs: it lives until it is disposed of. */
export function keep<T extends Handle>(tensor: T): T {
  context.scope?.delete(tensor);
  return tensor;
}
