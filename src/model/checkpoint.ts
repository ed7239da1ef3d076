/**
 * What a file of weights gives, whatever its format: a configuration, tensors under canonical names, a tokenizer.
 *
 * Canonical names are those of `canonical` below. A reader undoes what only its format does (GGUF permutes the rows of
 * llama's Q and K; safetensors keeps gemma's norms without their +1), so architectures never ask where weights came from.
 */
import type { Rope } from "../graph/ir.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type WeightType = "F32" | "F16" | "BF16" | "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

export interface TensorSource {
  readonly name: string;
  readonly type: WeightType;
  /** Row-major, the last dimension contiguous: [N, K] for a matrix, [D] for a vector. */
  readonly shape: readonly number[];
  /** The bytes in `type`'s own layout. May be a view of the mapped file: valid until `Checkpoint.close`. */
  bytes(): Uint8Array;
  /** Where machine code finds the same bytes, as long: only of a mapped file. */
  readonly address?: number | undefined;
}

/** Everything an architecture needs to build its graph, with defaults already filled in. */
export interface ModelConfig {
  /** Id of a file in `architecture/`. */
  readonly architecture: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  readonly feedForward: number;
  readonly vocabulary: number;
  /** Positions the model was trained for. */
  readonly context: number;
  readonly normEpsilon: number;
  /** The rope of each layer (layers that share one share the object). */
  readonly ropes: readonly Rope[];
  /** The sliding window of each layer; `undefined` attends to everything. */
  readonly windows: readonly (number | undefined)[];
  readonly attentionScale: number;
  readonly embeddingScale: number;
  /** True where the output matrix is the embedding table. */
  readonly tied: boolean;
  /** Where adapters stand beside the weights: the sum of their ranks. */
  readonly adapterRank?: number;
}

/** Columns of the low-rank products that are an adapter's own. */
export interface AdapterColumns {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export interface Checkpoint {
  /** For example `gemma-3-270m`: from metadata, else the file's name. */
  readonly name: string;
  readonly format: "gguf" | "safetensors";
  readonly path: string;
  readonly config: ModelConfig;
  readonly tensors: ReadonlyMap<string, TensorSource>;
  readonly tokenizer: Tokenizer;
  /** Jinja source, where the file has one. */
  readonly chatTemplate: string | undefined;
  /** Models that differ from this one by low-rank additions, and run in one batch with it. */
  readonly adapters?: readonly AdapterColumns[];
  /** Unmaps the file; tensors' bytes must not be used afterwards. */
  close(): void;
}
