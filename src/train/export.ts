/** A trained decoder as a GGUF file, which Heddle serves and llama.cpp loads. */
import type { ModelConfig, WeightType } from "../model/checkpoint.ts";
import { encodeWeights, type WritableType } from "../model/encode-weights.ts";
import { ggufFromCanonical } from "../model/gguf-names.ts";
import { type GgufTensorData, type GgufValue, ggufParts } from "../model/gguf-writer.ts";
import { weightFormats } from "../model/weight-type.ts";
import type { Parameter } from "./model/shape.ts";

export interface TrainedModel {
  readonly name: string;
  readonly config: ModelConfig;
  readonly ropeBase: number;
  readonly parameters: readonly (Parameter & { readonly values: Float32Array })[];
  /** `tokenizer.ggml.*`, and `tokenizer.chat_template` where there is one. */
  readonly tokenizer: Readonly<Record<string, GgufValue>>;
  /** Of matrices; vectors are always F32, and so are matrices whose rows are no whole blocks. */
  readonly type: WritableType;
}

const fileTypes: Readonly<Record<WritableType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 };

export function* trainedGguf(model: TrainedModel): Generator<Uint8Array> {
  const { config, parameters, type } = model;
  const tensors = parameters.map(({ name, shape, values }): GgufTensorData => {
    const whole = shape.length > 1 && shape.at(-1)! % weightFormats[type].block === 0;
    const stored: WritableType & WeightType = whole ? type : "F32";
    const heads = headsOf(name, config);
    const ordered = heads === undefined ? values : interleaved(values, shape as readonly [number, number], heads);
    return { name: ggufFromCanonical(name), type: stored, shape, bytes: encodeWeights(stored, ordered) };
  });
  yield* ggufParts(metadataOf(model), tensors);
}

function metadataOf({ name, config, ropeBase, tokenizer, type }: TrainedModel): Record<string, GgufValue> {
  const of = `${config.architecture}.`;
  return {
    "general.architecture": { string: config.architecture },
    "general.name": { string: name },
    "general.file_type": { u32: fileTypes[type] },
    [`${of}block_count`]: { u32: config.layers },
    [`${of}context_length`]: { u32: config.context },
    [`${of}embedding_length`]: { u32: config.width },
    [`${of}feed_forward_length`]: { u32: config.feedForward },
    [`${of}attention.head_count`]: { u32: config.heads },
    [`${of}attention.head_count_kv`]: { u32: config.kvHeads },
    [`${of}attention.layer_norm_rms_epsilon`]: { f32: config.normEpsilon },
    [`${of}rope.freq_base`]: { f32: ropeBase },
    [`${of}rope.dimension_count`]: { u32: config.headWidth },
    [`${of}vocab_size`]: { u32: config.vocabulary },
    ...tokenizer,
  };
}

function headsOf(name: string, { heads, kvHeads }: ModelConfig): number | undefined {
  if (name.endsWith(".attention.q")) return heads;
  return name.endsWith(".attention.k") ? kvHeads : undefined;
}

/** Rows of each head from halves to neighbours, as llama's GGUF has them: row j · C/2 + i becomes row 2i + j. */
function interleaved(values: Float32Array, [rows, columns]: readonly [number, number], heads: number): Float32Array {
  const out = new Float32Array(values.length);
  const width = rows / heads;
  for (let row = 0; row < rows; row++) {
    const within = row % width;
    const half = width / 2;
    const to = row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    out.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}
