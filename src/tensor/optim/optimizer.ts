/** Optimizers as objects over parameters with `.grad`, as PyTorch's: a coat over the rules. */
import { UserError } from "../../core/errors.ts";
import { context } from "../context.ts";
import { tensor, zeros } from "../creation.ts";
import { keep, noGrad } from "../scope.ts";
import type { Tensor } from "../tensor.ts";
import { type Jitted, jit } from "../transform.ts";
import { clipByNorm, clipByValue } from "./clip.ts";
import { type AdamOptions, adam, adamW, type LionOptions, lion, type Rule, type SgdOptions, sgd } from "./rule.ts";

type Tensors = Readonly<Record<string, Tensor>>;
type Update = (parameters: Tensors, gradients: Tensors, slots: Tensors, hyper: Tensor) => readonly [Tensors, Tensors];

/** The rule over every parameter: new parameters, and new slots by the names `slot.parameter`. */
export function updateAll(
  rule: Rule,
  ...[parameters, gradients, slots, hyper]: Parameters<Update>
): ReturnType<Update> {
  const at = (i: number): Tensor => hyper.select(0, i);
  const next: Record<string, Tensor> = {};
  const nextSlots: Record<string, Tensor> = {};
  for (const [name, p] of Object.entries(parameters)) {
    const own = rule.slots.map((slot) => slots[`${slot}.${name}`]!);
    const [value, ...rest] = rule.update(p, gradients[name]!, own, at);
    next[name] = value!;
    for (const [i, slot] of rule.slots.entries()) nextSlots[`${slot}.${name}`] = rest[i]!;
  }
  return [next, nextSlots];
}

/** Slots of zeros, by the names `slot.parameter`. */
export const initialSlots = (rule: Rule, parameters: Tensors): Record<string, Tensor> =>
  Object.fromEntries(
    rule.slots.flatMap((slot) =>
      Object.entries(parameters).map(([name, p]) => [`${slot}.${name}`, keep(zeros(p.shape))]),
    ),
  );

export const hyperTensor = (rule: Rule): Tensor => keep(tensor(Float32Array.from(rule.hyper(1, rule.rate(1)))));

export class Optimizer {
  readonly rule: Rule;
  readonly parameters: Tensors;
  /** State by the names `slot.parameter`. */
  readonly slots: Record<string, Tensor>;
  /** Steps taken. */
  steps = 0;
  readonly #hyper: Tensor;
  readonly #update: Jitted<Parameters<Update>, ReturnType<Update>>;

  constructor(parameters: Tensors | readonly Tensor[], rule: Rule) {
    this.rule = rule;
    this.parameters = Array.isArray(parameters)
      ? Object.fromEntries((parameters as readonly Tensor[]).map((t, i) => [`${i}`, t]))
      : (parameters as Tensors);
    this.slots = initialSlots(rule, this.parameters);
    this.#hyper = hyperTensor(rule);
    this.#update = jit((...args: Parameters<Update>) => updateAll(rule, ...args), { donate: [0, 2] });
  }

  /** The rate of the next step. */
  get lr(): number {
    return this.rule.rate(this.steps + 1);
  }

  /** Moves every parameter that has a gradient, in place. */
  step(): void {
    if (context.trace !== undefined)
      throw new UserError("optimizer.step() cannot be traced.", "Use trainStep, or the optimizer's rule.");
    this.steps += 1;
    this.#hyper.set(this.rule.hyper(this.steps, this.rule.rate(this.steps)));
    const names = Object.keys(this.parameters).filter((name) => this.parameters[name]!.grad !== undefined);
    const pick = (from: (name: string) => Tensor): Tensors =>
      Object.fromEntries(names.map((name) => [name, from(name)]));
    const parameters = pick((name) => this.parameters[name]!);
    const slots = Object.fromEntries(
      this.rule.slots.flatMap((slot) => names.map((name) => [`${slot}.${name}`, this.slots[`${slot}.${name}`]!])),
    );
    const gradients = pick((name) => this.parameters[name]!.grad!);
    const [next, nextSlots] = noGrad(() => this.#update(parameters, gradients, slots, this.#hyper));
    for (const name of names) this.parameters[name]!.become(next[name]!);
    for (const [name, t] of Object.entries(slots)) t.become(nextSlots[name]!);
  }

  /** Forgets the gradients. */
  zeroGrad(): void {
    for (const p of Object.values(this.parameters)) {
      p.grad?.dispose();
      p.grad = undefined;
    }
  }

  /** Gives the state's memory back. */
  dispose(): void {
    for (const t of [...Object.values(this.slots), this.#hyper]) t.dispose();
  }
}

/** Scales the gradients down to a common norm of `most`; gives the norm that they had. */
export function clipGradNorm(parameters: Tensors, most: number): number {
  return noGrad(() => {
    const { gradients, norm } = clipByNorm(gradientsOf(parameters), most);
    replace(parameters, gradients);
    return norm.item();
  });
}

/** Holds each element of the gradients within ± `most`. */
export function clipGradValue(parameters: Tensors, most: number): void {
  noGrad(() => replace(parameters, clipByValue(gradientsOf(parameters), most)));
}

const gradientsOf = (parameters: Tensors): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(parameters).flatMap(([name, p]) => (p.grad === undefined ? [] : [[name, p.grad]])));

function replace(parameters: Tensors, gradients: Tensors): void {
  for (const [name, g] of Object.entries(gradients)) parameters[name]!.grad!.become(g);
}

export class SGD extends Optimizer {
  constructor(parameters: Tensors | readonly Tensor[], options: SgdOptions = {}) {
    super(parameters, sgd(options));
  }
}

export class Adam extends Optimizer {
  constructor(parameters: Tensors | readonly Tensor[], options: AdamOptions = {}) {
    super(parameters, adam(options));
  }
}

export class AdamW extends Optimizer {
  constructor(parameters: Tensors | readonly Tensor[], options: AdamOptions = {}) {
    super(parameters, adamW(options));
  }
}

export class Lion extends Optimizer {
  constructor(parameters: Tensors | readonly Tensor[], options: LionOptions = {}) {
    super(parameters, lion(options));
  }
}
