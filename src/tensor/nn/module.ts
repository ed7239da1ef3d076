/**
 * Modules: objects that hold tensors and other modules in their properties. Those that need gradients are parameters, the
 * others buffers; each has a dotted name, as in PyTorch. A module is a thin coat over functions of tensors: `functional` runs
 * it over other tensors than its own, so the same code runs eagerly, under `grad` and under `jit`.
 */
import { UserError } from "../../core/errors.ts";
import { keep } from "../scope.ts";
import { Tensor } from "../tensor.ts";

/** A place where a tensor is held. */
interface Slot {
  readonly name: string;
  readonly owner: Record<string, unknown>;
  readonly property: string;
}

/** A layer's own tensors are made before any step: they outlive every `tidy`. */
export const parameter = (t: Tensor): Tensor => keep(t).requireGrad();
export const buffer = (t: Tensor): Tensor => keep(t);

export class Module {
  training = true;

  /** Whether random layers draw, and batch norms measure; in this module and those below. */
  train(training = true): this {
    this.training = training;
    for (const [, child] of this.#children()) child.train(training);
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** What gradients are taken of, by dotted name. */
  parameters(): Record<string, Tensor> {
    return Object.fromEntries(Object.entries(this.stateDict()).filter(([, t]) => t.requiresGrad));
  }

  /** What is held but not learnt by gradients. */
  buffers(): Record<string, Tensor> {
    return Object.fromEntries(Object.entries(this.stateDict()).filter(([, t]) => !t.requiresGrad));
  }

  /** Every tensor that is held, by dotted name. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries(this.slots().map(({ name, owner, property }) => [name, owner[property] as Tensor]));
  }

  /** Copies tensors over those of the same names. Throws a `UserError` where names or shapes differ. */
  loadStateDict(state: Readonly<Record<string, Tensor>>): this {
    const own = this.stateDict();
    const missing = Object.keys(own).filter((name) => state[name] === undefined);
    const unknown = Object.keys(state).filter((name) => own[name] === undefined);
    if (missing.length > 0 || unknown.length > 0)
      throw new UserError(
        `A state of ${Object.keys(state).length} tensors does not fit this module: missing ${missing.join(", ") || "none"}; unknown ${unknown.join(", ") || "none"}.`,
      );
    for (const [name, t] of Object.entries(own)) {
      if (`${state[name]!.shape}` !== `${t.shape}`)
        throw new UserError(`${name} is ${t.signature}: it cannot be loaded from ${state[name]!.signature}.`);
      t.assign(state[name]!);
    }
    return this;
  }

  zeroGrad(): void {
    for (const t of Object.values(this.stateDict())) {
      t.grad?.dispose();
      t.grad = undefined;
    }
  }

  dispose(): void {
    for (const t of Object.values(this.stateDict())) t.dispose();
  }

  slots(prefix = ""): Slot[] {
    const owner = this as unknown as Record<string, unknown>;
    const own = Object.entries(owner).flatMap(([property, x]) =>
      x instanceof Tensor ? [{ name: prefix + property, owner, property }] : [],
    );
    return [...own, ...this.#children().flatMap(([name, child]) => child.slots(`${prefix}${name}.`))];
  }

  #children(): [string, Module][] {
    const found = (name: string, x: unknown): [string, Module][] => {
      if (x instanceof Module) return [[name, x]];
      return Array.isArray(x) ? x.flatMap((item, i) => found(`${name}.${i}`, item)) : [];
    };
    return Object.entries(this).flatMap(([name, x]) => found(name, x));
  }
}

/**
 * Runs `body` with the tensors of `model` replaced by those of `state`, by dotted name, and gives what it returns with the
 * buffers as it left them (batch norms move theirs).
 */
export function functional<T>(
  model: Module,
  state: Readonly<Record<string, Tensor>>,
  body: () => T,
): { readonly result: T; readonly buffers: Record<string, Tensor> } {
  const slots = model.slots();
  const own = slots.map(({ owner, property }) => owner[property] as Tensor);
  for (const { name, owner, property } of slots) owner[property] = state[name] ?? owner[property];
  try {
    const result = body();
    const buffers = slots.flatMap(({ name, owner, property }, i): [string, Tensor][] =>
      own[i]!.requiresGrad ? [] : [[name, owner[property] as Tensor]],
    );
    return { result, buffers: Object.fromEntries(buffers) };
  } finally {
    for (const [i, { owner, property }] of slots.entries()) owner[property] = own[i];
  }
}
