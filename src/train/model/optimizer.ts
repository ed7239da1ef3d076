/**
 * AdamW as nodes of a graph, with clipping by the global norm, and a guard: where the loss or the norm is not finite, every output
 * is its input, so that one bad batch spoils nothing.
 */
import type { ArrayType } from "../../graph/array.ts";
import type { ArrayValue } from "../../graph/array-builder.ts";
import type { ArrayMath } from "../../graph/array-math.ts";

export interface AdamW {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Of matrices alone: norms are not drawn to 0. */
  readonly weightDecay: number;
  /** The greatest norm of all gradients together; `undefined` clips nothing. */
  readonly clip: number | undefined;
}

/** f32 [1] each, given anew each step; the corrections are 1 − β to the power of the step's number. */
export interface StepNumbers {
  readonly learningRate: ArrayValue;
  readonly correction1: ArrayValue;
  readonly correction2: ArrayValue;
}

export interface Moments {
  readonly value: ArrayValue;
  readonly first: ArrayValue;
  readonly second: ArrayValue;
}

/** √Σg² over all gradients, f32 [1]. */
function globalNorm(m: ArrayMath, gradients: readonly ArrayValue[]): ArrayValue {
  const squares = gradients.map((g) =>
    m.reshape(
      m.sum(
        m.unary("square", g),
        g.type.shape.map((_, axis) => axis),
      ),
      [1],
    ),
  );
  return m.unary(
    "sqrt",
    squares.reduce((sum, s) => m.add(sum, s)),
  );
}

const greatestF32 = (2 - 2 ** -23) * 2 ** 127;

/** 1 where all of `numbers`, f32 [1], are finite, else 0. */
function allFinite(m: ArrayMath, numbers: readonly ArrayValue[]): ArrayValue {
  const flags = numbers.map((x) => m.binary("le", m.unary("abs", x), greatestF32));
  return flags.reduce((all, flag) => m.mul(all, flag));
}

/** What the gradients are multiplied with, f32 [1]: 1, or what takes their norm down to the limit. */
function clipScale(m: ArrayMath, norm: ArrayValue, clip: number | undefined): ArrayValue {
  if (clip === undefined) return m.fill(norm, 1);
  return m.binary("min", m.div(m.fill(norm, clip), m.add(norm, 1e-6)), 1);
}

/** `state` after a step by `gradient`, all of one shape; `scale` and `guard` are f32 [1]. */
function adamW(
  m: ArrayMath,
  { beta1, beta2, epsilon, weightDecay }: AdamW,
  { value, first, second }: Moments,
  gradient: ArrayValue,
  numbers: StepNumbers,
  scale: ArrayValue,
  guard: ArrayValue,
): Moments {
  const { shape } = value.type;
  const wide = (x: ArrayValue): ArrayValue => m.broadcast(x, shape);
  const g = m.mul(gradient, wide(scale));
  const newFirst = m.add(m.mul(first, beta1), m.mul(g, 1 - beta1));
  const newSecond = m.add(m.mul(second, beta2), m.mul(m.unary("square", g), 1 - beta2));
  const denominator = m.add(m.unary("sqrt", m.div(newSecond, wide(numbers.correction2))), epsilon);
  const update = m.div(m.div(newFirst, wide(numbers.correction1)), denominator);
  const decayed = shape.length > 1 && weightDecay > 0 ? m.add(update, m.mul(value, weightDecay)) : update;
  const moved = m.sub(value, m.mul(decayed, wide(numbers.learningRate)));
  const guarded = (now: ArrayValue, before: ArrayValue): ArrayValue => m.where(wide(guard), now, before);
  return { value: guarded(moved, value), first: guarded(newFirst, first), second: guarded(newSecond, second) };
}

/** Adds an input to the graph. */
export type AddInput = (name: string, type: ArrayType) => ArrayValue;

const numbers = ["learningRate", "correction1", "correction2"] as const satisfies readonly (keyof StepNumbers)[];

/** What is bound to the inputs of that name in step `number`, from 1 on. */
export function stepNumbers(
  { beta1, beta2 }: AdamW,
  learningRate: number,
  number: number,
): Readonly<Record<keyof StepNumbers, number>> {
  return { learningRate, correction1: 1 - beta1 ** number, correction2: 1 - beta2 ** number };
}

/**
 * A step over all that is trained, by `gradients` in the same order, guarded by `loss`: what each name is replaced with, its moments
 * `name.first` and `name.second` too, which are inputs of their own; and the norm of the gradients.
 */
export function updated(
  m: ArrayMath,
  input: AddInput,
  trained: ReadonlyMap<string, ArrayValue>,
  gradients: readonly ArrayValue[],
  loss: ArrayValue,
  optimizer: AdamW,
): { readonly after: ReadonlyMap<string, ArrayValue>; readonly norm: ArrayValue } {
  const norm = globalNorm(m, gradients);
  const [learningRate, correction1, correction2] = numbers.map((name) => input(name, { dtype: "f32", shape: [1] }));
  const given = { learningRate: learningRate!, correction1: correction1!, correction2: correction2! };
  const scale = clipScale(m, norm, optimizer.clip);
  const guard = allFinite(m, [norm, loss]);
  const after = new Map<string, ArrayValue>();
  for (const [i, [name, value]] of [...trained].entries()) {
    const moments = { first: input(`${name}.first`, value.type), second: input(`${name}.second`, value.type) };
    const step = adamW(m, optimizer, { value, ...moments }, gradients[i]!, given, scale, guard);
    after.set(name, step.value).set(`${name}.first`, step.first).set(`${name}.second`, step.second);
  }
  return { after, norm };
}
