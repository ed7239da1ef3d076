/** The model that a recipe describes: its numbers, the names, shapes and first values of its parameters. */
import { assert } from "../../core/errors.ts";
import { draw } from "../../core/random.ts";
import { sizeOf } from "../../graph/array.ts";
import type { ModelConfig } from "../../model/checkpoint.ts";
import { uniformConfig } from "../../model/decoder.ts";

/** A decoder of llama's architecture. */
export interface DecoderShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Tokens of a sequence in training, and the most in use. */
  readonly context: number;
  readonly normEpsilon: number;
  readonly ropeBase: number;
  /** True where the output matrix is the embedding table. */
  readonly tied: boolean;
}

/** As a reader of its GGUF will see it, so that training and serving cannot disagree about what a number means. */
export function configOf(shape: DecoderShape): ModelConfig {
  return uniformConfig({
    ...shape,
    path: "the recipe",
    architecture: "llama",
    headWidth: shape.width / shape.heads,
    ropeScaling: undefined,
    ropeBaseLocal: undefined,
    window: undefined,
    windowed: undefined,
    queryScalar: undefined,
  });
}

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Deviation of its first values, which are normal; norms begin at 1. */
  readonly deviation: number | "ones";
}

/** The parameters under their canonical names (see `model/architecture.ts`), in the order of computation. */
export function parametersOf(config: ModelConfig): readonly Parameter[] {
  const { layers, width, heads, kvHeads, headWidth, feedForward, vocabulary, tied } = config;
  // Products begin with the variance of their inputs: attention then tells tokens apart from the first step on.
  const matrix = (name: string, rows: number, columns: number, by = 1 / Math.sqrt(columns)): Parameter => {
    return { name, shape: [rows, columns], deviation: by };
  };
  // What is added to the residual stream begins smaller, so that its variance does not grow with the depth (GPT-2).
  const residual = 0.02 / Math.sqrt(2 * layers);
  const norm = (name: string): Parameter => ({ name, shape: [width], deviation: "ones" });
  const layer = (i: number): readonly Parameter[] => [
    norm(`layer.${i}.attention.norm`),
    matrix(`layer.${i}.attention.q`, heads * headWidth, width),
    matrix(`layer.${i}.attention.k`, kvHeads * headWidth, width),
    matrix(`layer.${i}.attention.v`, kvHeads * headWidth, width),
    matrix(`layer.${i}.attention.o`, width, heads * headWidth, residual),
    norm(`layer.${i}.feedForward.norm`),
    matrix(`layer.${i}.feedForward.gate`, feedForward, width),
    matrix(`layer.${i}.feedForward.up`, feedForward, width),
    matrix(`layer.${i}.feedForward.down`, width, feedForward, residual),
  ];
  return [
    matrix("embedding", vocabulary, width),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    norm("norm"),
    ...(tied ? [] : [matrix("output", vocabulary, width)]),
  ];
}

/** First values, a function of the seed, the parameter's place and the element alone. */
export function initialise({ shape, deviation }: Parameter, seed: number, place: number, into: Float32Array): void {
  assert(into.length === sizeOf(shape), () => `${into.length} elements for [${shape}]`);
  if (deviation === "ones") into.fill(1);
  else for (let i = 0; i < into.length; i++) into[i] = deviation * normal(seed, place, i);
}

/** Box and Muller's, from two uniform draws. */
function normal(seed: number, place: number, i: number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - draw(seed, place, i, 0)));
  return radius * Math.cos(2 * Math.PI * draw(seed, place, i, 1));
}
