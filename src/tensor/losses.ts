/** Losses, as PyTorch names them; each is the mean by default. */
import type { ArrayValue } from "../graph/array-builder.ts";
import type { ArrayMath } from "../graph/array-math.ts";
import { computeOne, type Recipe } from "./compute.ts";
import { exponentials, softmaxOver } from "./reduce.ts";
import { gather, unsqueeze } from "./shape.ts";
import type { Tensor } from "./tensor.ts";
import { refuse } from "./user-line.ts";

export interface LossOptions {
  readonly reduction?: "mean" | "sum" | "none";
}

function reduced(x: Tensor, { reduction = "mean" }: LossOptions): Tensor {
  return reduction === "mean" ? x.mean() : reduction === "sum" ? x.sum() : x;
}

function same(name: string, a: Tensor, b: Tensor): void {
  if (`${a.shape}` !== `${b.shape}`) refuse(`${name} over ${a.signature} and ${b.signature}`, "the shapes differ.");
}

export function mseLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  same("mseLoss", x, target);
  return reduced(x.sub(target).square(), options);
}

export function l1Loss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  same("l1Loss", x, target);
  return reduced(x.sub(target).abs(), options);
}

/** Of logits and targets in [0, 1]: max(x, 0) − x·t + log(1 + e^−|x|). */
export function bceWithLogitsLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  same("bceWithLogitsLoss", x, target);
  return reduced(x.softplus().sub(x.mul(target)), options);
}

/** (log probabilities [..., C], i32 targets [...]): targets equal to `ignoreIndex` do not count. */
export function nllLoss(x: Tensor, target: Tensor, options: ClassLossOptions = {}): Tensor {
  const { ignoreIndex = -100, reduction = "mean" } = options;
  classes("nllLoss", x, target);
  const counted = target.ne(ignoreIndex).to("f32");
  const index = unsqueeze(target.mul(counted.to("i32")), -1);
  const losses = gather(x, -1, index).squeeze(-1).neg().mul(counted);
  if (reduction === "none") return losses;
  return reduction === "sum" ? losses.sum() : losses.sum().div(counted.sum());
}

export interface ClassLossOptions extends LossOptions {
  /** Targets that do not count; -100 by default. */
  readonly ignoreIndex?: number;
}

function classes(name: string, x: Tensor, target: Tensor): void {
  if (target.dtype !== "i32" || `${x.shape.slice(0, -1)}` !== `${target.shape}` || x.shape.length === 0)
    refuse(
      `${name} over ${x.signature} and ${target.signature}`,
      "targets are i32, of the shape of the scores without the last axis.",
    );
}

/**
 * (logits [..., C], i32 targets [...]) → −log softmax at the target. Targets equal to `ignoreIndex` do not count, in the mean's
 * divisor neither.
 */
export function crossEntropy(x: Tensor, target: Tensor, options: ClassLossOptions = {}): Tensor {
  classes("crossEntropy", x, target);
  const { ignoreIndex = -100, reduction = "mean" } = options;
  const axis = x.shape.length - 1;
  const kept = x.shape.with(axis, 1);
  const parts = (m: ArrayMath, targets: ArrayValue) => {
    const wanted = m.reshape(targets, kept);
    const chosen = m.binary("eq", m.expand(wanted, x.shape), m.iota(x.shape, axis, "i32"));
    const ignored = m.binary("eq", wanted, ignoreIndex);
    const counted = m.sub(m.fill(ignored, 1), ignored);
    const share =
      reduction === "mean"
        ? m.unary(
            "reciprocal",
            m.sum(
              counted,
              counted.type.shape.map((_, i) => i),
            ),
          )
        : undefined;
    return { chosen, counted, share };
  };
  const recipe: Recipe = {
    name: "crossEntropy",
    key: `crossEntropy ${ignoreIndex} ${reduction}`,
    build: (m, [v, t]) => {
      const { chosen, counted, share } = parts(m, t!);
      const { shifted, total } = exponentials(m, v!, axis);
      const losses = m.mul(m.sub(m.unary("log", total), m.sum(m.mul(shifted, chosen), [axis])), counted);
      if (reduction === "none") return [m.reshape(losses, target.shape)];
      const all = m.sum(
        losses,
        losses.type.shape.map((_, i) => i),
      );
      return [m.reshape(share === undefined ? all : m.mul(all, share), [])];
    },
    // softmax − one at the target, times the row's share.
    vjp: (m, [v, t], _, [dy]) => {
      const { chosen, counted, share } = parts(m, t!);
      const weight = reduction === "none" ? m.reshape(dy!, kept) : m.broadcast(dy!, kept);
      const row = m.mul(counted, share === undefined ? weight : m.mul(weight, m.expand(share, kept)));
      return [m.mul(m.sub(softmaxOver(m, v!, axis), chosen), m.expand(row, x.shape)), undefined];
    },
  };
  return computeOne(recipe, x, target);
}
