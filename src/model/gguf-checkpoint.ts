/** A GGUF file as a checkpoint: what its keys mean, its tensors under canonical names, Q and K in rope's order. */
import { basename } from "node:path";
import { UserError } from "../core/errors.ts";
import { type Architecture, loadArchitecture } from "./architecture.ts";
import type { Checkpoint, ModelConfig, TensorSource } from "./checkpoint.ts";
import {
  type Hyperparameters,
  layersMax,
  optionalNumber,
  positiveInteger,
  type RopeScaling,
  requiredNumber,
} from "./config.ts";
import { dequantize } from "./dequantize.ts";
import { type Gguf, type GgufTensor, readGguf } from "./gguf.ts";
import { canonicalFromGguf, ropeFactors } from "./gguf-names.ts";
import type { MappedFile } from "./mapped-file.ts";
import { tokenizerFromGguf } from "./tokenizer/open.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { weightBytes } from "./weight-type.ts";

/** Takes ownership of `file`: the checkpoint's `close` closes it. */
export async function ggufCheckpoint(file: MappedFile): Promise<Checkpoint> {
  const gguf = readGguf(file);
  const id = gguf.metadata.get("general.architecture");
  if (typeof id !== "string") {
    throw new UserError(
      `Reading ${file.path}: metadata general.architecture is missing.`,
      "Give a file of a language model's weights.",
    );
  }
  const architecture = await loadArchitecture(id, file.path);
  const config = architecture.configure(hyperparameters(file, gguf, id));
  let tokenizer: Tokenizer | undefined;
  const template = gguf.metadata.get("tokenizer.chat_template");
  return {
    name: nameOf(gguf, file.path),
    format: "gguf",
    path: file.path,
    config,
    tensors: tensorSources(file, gguf, architecture, config),
    get tokenizer() {
      tokenizer ??= tokenizerFromGguf(gguf.metadata);
      return tokenizer;
    },
    chatTemplate: typeof template === "string" ? template : undefined,
    close: () => file.close(),
  };
}

/** `Gemma 3 270m` → `gemma-3-270m`. */
function nameOf(gguf: Gguf, path: string): string {
  const named = gguf.metadata.get("general.name");
  const text = typeof named === "string" && named.trim() !== "" ? named : basename(path).replace(/\.gguf$/i, "");
  return text.trim().toLowerCase().replace(/\s+/g, "-");
}

function hyperparameters(file: MappedFile, gguf: Gguf, id: string): Hyperparameters {
  const { path } = file;
  const get = (key: string): unknown => gguf.metadata.get(`${id}.${key}`);
  const integer = (key: string): number => positiveInteger(path, `${id}.${key}`, get(key));
  const number = (key: string): number | undefined => optionalNumber(path, `${id}.${key}`, get(key));
  const heads = integer("attention.head_count");
  const headWidth = number("attention.key_length") ?? integer("embedding_length") / heads;
  refuseOthers(path, id, get, headWidth);
  const embedding = gguf.tensors.get("token_embd.weight");
  const vocabulary = positiveInteger(path, "the number of rows of token_embd.weight", embedding?.shape[0]);
  refuseTokens(path, gguf.metadata.get("tokenizer.ggml.tokens"), vocabulary);
  const pattern = get("attention.sliding_window_pattern");
  return {
    path,
    architecture: id,
    layers: positiveInteger(path, `${id}.block_count`, get("block_count"), layersMax),
    width: integer("embedding_length"),
    heads,
    kvHeads: get("attention.head_count_kv") === undefined ? undefined : integer("attention.head_count_kv"),
    headWidth,
    feedForward: integer("feed_forward_length"),
    vocabulary,
    context: integer("context_length"),
    normEpsilon: requiredNumber(
      path,
      `${id}.attention.layer_norm_rms_epsilon`,
      get("attention.layer_norm_rms_epsilon"),
    ),
    ropeBase: number("rope.freq_base"),
    ropeScaling: ropeScaling(file, gguf, id),
    ropeBaseLocal: number("rope.freq_base_swa"),
    window: number("attention.sliding_window"),
    windowed: Array.isArray(pattern) ? pattern.map(Boolean) : undefined,
    queryScalar: undefined,
    tied: !gguf.tensors.has("output.weight"),
  };
}

/** Variants of a known architecture that would run, and run wrong. */
function refuseOthers(path: string, id: string, get: (key: string) => unknown, headWidth: number): void {
  const refuse = (what: string): never => {
    throw new UserError(`Reading ${path}: ${what}, which is not supported.`, "Take another model.");
  };
  if (Number(get("expert_count") ?? 0) > 0) refuse(`it is a mixture of ${get("expert_count")} experts`);
  if ((get("rope.dimension_count") ?? headWidth) !== headWidth) {
    refuse(`rope turns ${get("rope.dimension_count")} of ${headWidth} elements of a head`);
  }
  if ((get("attention.value_length") ?? headWidth) !== headWidth) {
    refuse(`its values are ${get("attention.value_length")} wide and its keys ${headWidth}`);
  }
  if (Number(get("final_logit_softcapping") ?? 0) > 0) refuse(`${id} caps its logits`);
}

/** A text could hold tokens that the model has no row for. */
function refuseTokens(path: string, tokens: unknown, rows: number): void {
  const count = typeof tokens === "object" && tokens !== null && "length" in tokens ? Number(tokens.length) : 0;
  if (count <= rows) return;
  throw new UserError(
    `Reading ${path}: its vocabulary has ${count} tokens, and token_embd.weight only ${rows} rows.`,
    "The file is damaged or was converted wrongly: download it again.",
  );
}

function ropeScaling(file: MappedFile, gguf: Gguf, id: string): RopeScaling | undefined {
  const divisors = gguf.tensors.get(ropeFactors);
  if (divisors !== undefined) {
    const values = new Float32Array(divisors.shape.at(-1)!);
    dequantize(divisors.type, file.bytes(divisors.offset, divisors.byteLength), values.length, values);
    return { kind: "divisors", divisors: Array.from(values) };
  }
  const key = `${id}.rope.scaling`;
  const get = (name: string): unknown => gguf.metadata.get(`${key}.${name}`);
  const type = get("type") ?? "none";
  // `rope.scale_linear` is the older name of the same.
  const older = optionalNumber(file.path, `${id}.rope.scale_linear`, gguf.metadata.get(`${id}.rope.scale_linear`));
  const given = optionalNumber(file.path, `${key}.factor`, get("factor")) ?? older;
  if (type === "none") return older === undefined || older === 1 ? undefined : { kind: "linear", factor: older };
  const factor = requiredNumber(file.path, `${key}.factor`, given);
  if (type === "linear") return { kind: "linear", factor };
  if (type === "yarn") {
    return {
      kind: "yarn",
      factor,
      originalContext: requiredNumber(file.path, `${key}.original_context_length`, get("original_context_length")),
      betaFast: optionalNumber(file.path, `${key}.yarn_beta_fast`, get("yarn_beta_fast")) ?? 32,
      betaSlow: optionalNumber(file.path, `${key}.yarn_beta_slow`, get("yarn_beta_slow")) ?? 1,
      magnitude: undefined,
    };
  }
  throw new UserError(
    `Reading ${file.path}: rope scaling ${JSON.stringify(type)} is not supported.`,
    "Heddle knows linear, llama3 and yarn: take another model.",
  );
}

function tensorSources(
  file: MappedFile,
  gguf: Gguf,
  architecture: Architecture,
  config: ModelConfig,
): Map<string, TensorSource> {
  const sources = new Map<string, TensorSource>();
  for (const tensor of gguf.tensors.values()) {
    if (tensor.name === ropeFactors) continue;
    const name = canonicalFromGguf(tensor.name);
    if (name === undefined) {
      throw new UserError(
        `Reading ${file.path}: ${config.architecture} has no tensor ${JSON.stringify(tensor.name.slice(0, 80))}.`,
        "The file is damaged, or a variant that is not supported: take another.",
      );
    }
    const heads = permutedHeads(architecture, name, config);
    const { type, shape } = tensor;
    const read = (): Uint8Array => file.bytes(tensor.offset, tensor.byteLength);
    sources.set(name, {
      name,
      type,
      shape,
      bytes: heads === undefined ? read : () => unpermute(read(), tensor, heads),
      address: heads === undefined && file.address !== undefined ? file.address + tensor.offset : undefined,
    });
  }
  return sources;
}

/** Heads of a weight whose rows GGUF keeps in another order; `undefined` for all others. */
export function permutedHeads(architecture: Architecture, name: string, config: ModelConfig): number | undefined {
  if (!architecture.ggufPermutes) return undefined;
  if (/\.attention\.q(\.bias)?$/.test(name)) return config.heads;
  return /\.attention\.k(\.bias)?$/.test(name) ? config.kvHeads : undefined;
}

/**
 * llama.cpp's converter turns row j·C/2 + i of each head (j is 0 or 1) into row 2i + j, for a rope of neighbours. Rows are
 * whole blocks, so whatever the weight type, its bytes are put back row by row.
 */
export function unpermute(bytes: Uint8Array, tensor: Pick<GgufTensor, "type" | "shape">, heads: number): Uint8Array {
  const rows = tensor.shape[0]!;
  const rowBytes = weightBytes(tensor.type, tensor.shape[1] ?? 1);
  const half = rows / heads / 2;
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row - head * 2 * half;
    const from = head * 2 * half + (within < half ? 2 * within : 2 * (within - half) + 1);
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), row * rowBytes);
  }
  return out;
}
