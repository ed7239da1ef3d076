/**
 * The one way in which anything is computed: a recipe (a piece of graph) over tensors.
 *
 *     recipe over tensors ──► while tracing: nodes of the trace's graph
 *                         └─► else: a compiled program, kept by what it computes, run at once ──► tape
 *
 * The gradient of a recipe is a recipe too, so gradients are compiled, traced and differentiated like anything else.
 */

import { UserError } from "../core/errors.ts";
import type { Region } from "../device/device.ts";
import { type ArrayGraph, type ArrayNode, type ArrayType, bytesOfType, sizeOf } from "../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import { ArrayMath } from "../graph/array-math.ts";
import { context, within } from "./context.ts";
import { defaultRuntime } from "./default-device.ts";
import type { Program } from "./runtime.ts";
import type { Storage } from "./storage.ts";
import { record } from "./tape.ts";
import { Tensor } from "./tensor.ts";
import { Trace } from "./trace.ts";
import { refuse } from "./user-line.ts";

export interface Recipe {
  /** The operation, as errors call it. */
  readonly name: string;
  /** Recipes of one key build the same graph over inputs of the same types. */
  readonly key: string;
  build(m: ArrayMath, inputs: readonly ArrayValue[]): readonly ArrayValue[];
  /** Gradients of the inputs (f32) from those of the outputs, where it is known better than by the rules of `graph/`. */
  vjp?(
    m: ArrayMath,
    inputs: readonly ArrayValue[],
    outputs: readonly ArrayValue[],
    seeds: readonly ArrayValue[],
  ): readonly (ArrayValue | undefined)[];
}

/** One operation of a graph, as it stands there; `from` is whose graph. */
export const nodeRecipe = (from: string, { op, type }: Pick<ArrayNode, "op" | "type">): Recipe => ({
  name: op.kind,
  key: `${from} ${JSON.stringify([op, type])}`,
  build: (m, given) => [m.builder.add(op, given, type)],
});

export interface ComputeOptions {
  /** Output → input whose elements it is written over. */
  readonly over?: ReadonlyMap<number, number>;
  /** Versions that the inputs must still have, if they are read. */
  readonly versions?: readonly number[];
}

/** The results of `recipe`. Throws a `UserError` that names the operation, the shapes and the line of the user's code. */
export function compute(recipe: Recipe, inputs: readonly Tensor[], options: ComputeOptions = {}): readonly Tensor[] {
  const outputs =
    context.trace !== undefined ? traced(context.trace, recipe, inputs) : carriedOut(recipe, inputs, options);
  if (context.recording && inputs.some((t) => t.requiresGrad)) record(recipe, inputs, outputs);
  return outputs;
}

/** The only result of `recipe`. */
export function computeOne(recipe: Recipe, ...inputs: readonly Tensor[]): Tensor {
  return compute(recipe, inputs)[0]!;
}

/** The same without a tape, for what is never differentiated. */
export function computeApart(
  recipe: Recipe,
  inputs: readonly Tensor[],
  options: ComputeOptions = {},
): readonly Tensor[] {
  return within({ recording: false }, () => compute(recipe, inputs, options));
}

const describe = (inputs: readonly Tensor[]): string => inputs.map((t) => t.signature).join(", ") || "nothing";

function build(recipe: Recipe, m: ArrayMath, values: readonly ArrayValue[], inputs: readonly Tensor[]) {
  try {
    return recipe.build(m, values);
  } catch (error) {
    if (!(error instanceof UserError) || error.message.includes(" At ")) throw error;
    return refuse(`${recipe.name} over ${describe(inputs)}`, error.message);
  }
}

function traced(trace: Trace, recipe: Recipe, inputs: readonly Tensor[]): readonly Tensor[] {
  const values = inputs.map((t) => trace.valueOf(t));
  return build(recipe, trace.math, values, inputs).map((value) => Tensor.traced(trace, value));
}

/** The recipe as a graph of its own over `i0`, `i1`, … */
function graphOf(recipe: Recipe, inputs: readonly Tensor[]): ArrayGraph {
  const m = new ArrayMath(new ArrayBuilder());
  const values = inputs.map(({ dtype, shape }, i) =>
    m.builder.add({ kind: "input", name: `i${i}` }, [], { dtype, shape }),
  );
  const outputs = build(recipe, m, values, inputs);
  return m.builder.finish(Object.fromEntries(outputs.map((value, i) => [`o${i}`, value])));
}

export const bytesOf = ({ dtype, shape }: ArrayType): number => sizeOf(shape) * bytesOfType[dtype];

/** A compiled recipe with its inputs and results bound, before it runs. */
interface Call {
  readonly program: Program;
  readonly bindings: Readonly<Record<string, Region>>;
  readonly storages: readonly Storage[];
}

function prepare(recipe: Recipe, inputs: readonly Tensor[], { over, versions }: ComputeOptions): Call {
  const runtime = defaultRuntime();
  const stored = inputs.map((t) => t.storage(recipe.name));
  let key = recipe.key;
  for (const t of inputs) key += `|${t.signature}`;
  if (over !== undefined) key += `!${[...over].join(";")}`;
  const program = runtime.program(key, () => graphOf(recipe, inputs), over);
  const bindings: Record<string, Region> = {};
  for (const [i, storage] of stored.entries()) {
    if (!program.reads[i]) continue;
    if (versions !== undefined && versions[i] !== undefined && versions[i] !== storage.version)
      refuse(
        `the gradient of ${recipe.name}`,
        `its input ${i}, ${inputs[i]!.signature}, was written over after it had been used (version ${storage.version}, not ${versions[i]})`,
        "Call backward() before the tensor is changed, or change a clone().",
      );
    bindings[`i${i}`] = storage.region;
  }
  const storages: Storage[] = [];
  for (const [o, type] of program.types.entries()) {
    const alias = program.aliases[o];
    const target = over?.get(o);
    if (alias !== undefined) storages.push(("input" in alias ? stored[alias.input] : storages[alias.output])!.share());
    else if (target !== undefined) storages.push(stored[target]!.share());
    else storages.push(runtime.storage(bytesOf(type)));
    if (alias !== undefined) continue;
    if (target === undefined) bindings[`o${o}`] = storages[o]!.region;
    else storages[o]!.version += 1;
  }
  return { program, bindings, storages };
}

const results = ({ program, storages }: Call): readonly Tensor[] =>
  program.types.map((type, o) => Tensor.stored(type, storages[o]!));

function carriedOut(recipe: Recipe, inputs: readonly Tensor[], options: ComputeOptions): readonly Tensor[] {
  const call = prepare(recipe, inputs, options);
  call.program.session?.runNow(call.bindings);
  return results(call);
}

/** The same as `computeApart`, on the device's threads while this one goes on. */
export async function computeLater(
  recipe: Recipe,
  inputs: readonly Tensor[],
  options: ComputeOptions = {},
): Promise<readonly Tensor[]> {
  const call = prepare(recipe, inputs, options);
  await call.program.session?.run(call.bindings);
  return results(call);
}

/** The graph of `f` over tensors of the types of `inputs`, and the tensors from outside that it uses. */
export function trace(
  inputs: readonly Pick<Tensor, "dtype" | "shape">[],
  f: (inputs: readonly Tensor[]) => readonly Tensor[],
): { readonly graph: ArrayGraph; readonly captured: readonly Tensor[] } {
  const made = new Trace(inputs.length);
  const values = inputs.map((type, i) => Tensor.traced(made, made.input(i, type)));
  const outputs = within({ trace: made, scope: undefined }, () => f(values));
  return { graph: made.finish(outputs), captured: made.captured };
}
