/**
 * Optimizers as pure rules: new parameter and state from parameter, gradient and state. What changes with the step (the rate,
 * corrections of bias) is computed on the host in f64 and comes as a small tensor, so one compiled step serves them all.
 */
import { UserError } from "../../core/errors.ts";
import type { Tensor } from "../tensor.ts";

export interface Rule {
  readonly name: string;
  /** The tensors of state that each parameter has; they begin as zeros of its shape. */
  readonly slots: readonly string[];
  /** What `update` is given as `hyper`, at a step counted from 1 and its learning rate. */
  hyper(step: number, rate: number): readonly number[];
  /** `hyper(i)` is a tensor of one number. Returns the parameter and its slots, in order. */
  update(
    parameter: Tensor,
    gradient: Tensor,
    slots: readonly Tensor[],
    hyper: (i: number) => Tensor,
  ): readonly Tensor[];
  /** The learning rate of a step, counted from 1. */
  rate(step: number): number;
}

export type Rate = number | ((step: number) => number);

export function rateOf(lr: Rate): (step: number) => number {
  if (typeof lr === "function") return lr;
  if (!(lr >= 0)) throw new UserError(`A learning rate of ${lr} was asked for; it must be 0 or more.`);
  return () => lr;
}

export interface SgdOptions {
  readonly lr?: Rate;
  readonly momentum?: number;
  readonly nesterov?: boolean;
  readonly weightDecay?: number;
}

export function sgd({ lr = 1e-3, momentum = 0, nesterov = false, weightDecay = 0 }: SgdOptions = {}): Rule {
  return {
    name: "sgd",
    slots: momentum === 0 ? [] : ["momentum"],
    rate: rateOf(lr),
    hyper: (_, rate) => [rate],
    update(p, gradient, [buffer], hyper) {
      const g = weightDecay === 0 ? gradient : gradient.add(p.mul(weightDecay));
      if (buffer === undefined) return [p.sub(g.mul(hyper(0)))];
      const moved = buffer.mul(momentum).add(g);
      const direction = nesterov ? g.add(moved.mul(momentum)) : moved;
      return [p.sub(direction.mul(hyper(0))), moved];
    },
  };
}

export interface AdamOptions {
  readonly lr?: Rate;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly weightDecay?: number;
}

/** `decoupled`: the parameter itself decays, by Loshchilov and Hutter; else the decay is part of the gradient. */
function adamLike(name: string, decoupled: boolean, weightDecayDefault: number, options: AdamOptions): Rule {
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = weightDecayDefault } = options;
  const [b1, b2] = betas;
  return {
    name,
    slots: ["m", "v"],
    rate: rateOf(lr),
    // p (1 − lr wd) − (lr / (1 − b1ᵗ)) m / (√v / √(1 − b2ᵗ) + eps)
    hyper: (step, rate) => [rate / (1 - b1 ** step), 1 / Math.sqrt(1 - b2 ** step), 1 - rate * weightDecay],
    update(p, gradient, [m, v], hyper) {
      const g = decoupled || weightDecay === 0 ? gradient : gradient.add(p.mul(weightDecay));
      const first = m!.mul(b1).add(g.mul(1 - b1));
      const second = v!.mul(b2).add(g.square().mul(1 - b2));
      const step = first.mul(hyper(0)).div(second.sqrt().mul(hyper(1)).add(eps));
      const kept = decoupled && weightDecay !== 0 ? p.mul(hyper(2)) : p;
      return [kept.sub(step), first, second];
    },
  };
}

export const adam = (options: AdamOptions = {}): Rule => adamLike("adam", false, 0, options);
export const adamW = (options: AdamOptions = {}): Rule => adamLike("adamW", true, 1e-2, options);

export interface LionOptions {
  readonly lr?: Rate;
  readonly betas?: readonly [number, number];
  readonly weightDecay?: number;
}

/** Chen et al., "Symbolic discovery of optimization algorithms", 2023. */
export function lion({ lr = 1e-4, betas = [0.9, 0.99], weightDecay = 0 }: LionOptions = {}): Rule {
  const [b1, b2] = betas;
  return {
    name: "lion",
    slots: ["m"],
    rate: rateOf(lr),
    hyper: (_, rate) => [rate, 1 - rate * weightDecay],
    update(p, g, [m], hyper) {
      const direction = m!
        .mul(b1)
        .add(g.mul(1 - b1))
        .sign();
      const kept = weightDecay === 0 ? p : p.mul(hyper(1));
      return [kept.sub(direction.mul(hyper(0))), m!.mul(b2).add(g.mul(1 - b2))];
    },
  };
}
