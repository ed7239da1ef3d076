/**
 * What is true of the code that is running now: the device, whether gradients are recorded, what is being traced. It is the
 * one place of this library that changes outside of the objects that a caller holds: operations are methods of tensors and
 * take no context, as in PyTorch, so it must be found from anywhere. Each part is set for the time of a call and put back.
 */
import type { Handle } from "./handle.ts";
import type { Runtime } from "./runtime.ts";
import type { Tensor } from "./tensor.ts";
import type { Trace } from "./trace.ts";

export interface Context {
  runtime: Runtime | undefined;
  /** Whether operations on tensors that need gradients are kept for the backward pass. */
  recording: boolean;
  /** What operations are added to, instead of being carried out. */
  trace: Trace | undefined;
  /** Operands of products and convolutions are rounded to bf16. */
  autocast: boolean;
  /** The tensors made within the innermost `tidy`. */
  scope: Set<Handle> | undefined;
  /** Where random draws come from within `withKey`. */
  key: { readonly tensor: Tensor; streams: number } | undefined;
  /** The seed of draws outside of `withKey`, and how many there were. */
  random: { readonly seed: number; draws: number };
  /** How many functions have been given to `jit`: their programs are kept by number. */
  functions: number;
}

export const context: Context = {
  runtime: undefined,
  recording: true,
  trace: undefined,
  autocast: false,
  scope: undefined,
  key: undefined,
  random: { seed: 0, draws: 0 },
  functions: 0,
};

/** Runs `body` with parts of the context changed. */
export function within<T>(changes: Partial<Context>, body: () => T): T {
  const before = { ...context };
  Object.assign(context, changes);
  try {
    return body();
  } finally {
    for (const name of Object.keys(changes) as (keyof Context)[]) Object.assign(context, { [name]: before[name] });
  }
}
