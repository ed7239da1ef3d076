/**
 * A folder as Hugging Face publishes it, as a checkpoint: config.json, tokenizer.json, and the weights in one
 * model.safetensors or in the shards that model.safetensors.index.json lists.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { UserError } from "../core/errors.ts";
import { type Architecture, findModelType } from "./architecture.ts";
import type { Checkpoint, TensorSource } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { huggingfaceConfig, isObject } from "./huggingface-config.ts";
import { canonicalFromHuggingface } from "./huggingface-names.ts";
import { readJson } from "./json-file.ts";
import { type MappedFile, mapFile } from "./mapped-file.ts";
import { readSafetensors, type SafetensorsTensor } from "./safetensors-file.ts";
import { tokenizerFromJson } from "./tokenizer/open.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** `only` names the one file to read, where the caller gave it; else the folder's index or model.safetensors decides. */
export async function safetensorsCheckpoint(folder: string, only?: string): Promise<Checkpoint> {
  const config = readJson(join(folder, "config.json"));
  const configPath = join(folder, "config.json");
  if (config === undefined) {
    throw new UserError(
      `Opening ${only ?? folder}: ${configPath} is missing.`,
      "Give a GGUF file, or a folder with config.json, tokenizer.json and model.safetensors.",
    );
  }
  if (!isObject(config)) throw new UserError(`Reading ${configPath}: it is not a JSON object.`, "Download it again.");
  const { id, architecture } = await findModelType(String(config.model_type), configPath);
  const files: MappedFile[] = [];
  const close = (): void => {
    for (const file of files) file.close();
  };
  try {
    for (const path of weightFiles(folder, only)) files.push(await mapFile(path));
    const tensors = tensorSources(files.flatMap(readSafetensors), architecture, folder);
    const embedding = tensors.get("embedding");
    if (embedding === undefined) {
      throw new UserError(`Opening ${folder}: the embedding is missing.`, "Download the model again.");
    }
    const given = huggingfaceConfig(config, id, configPath, embedding.shape[0] ?? 0, tensors.has("output"));
    let tokenizer: Tokenizer | undefined;
    return {
      name: basename(resolve(folder)).toLowerCase(),
      format: "safetensors",
      path: only ?? folder,
      config: architecture.configure(given),
      tensors,
      get tokenizer() {
        tokenizer ??= readTokenizer(folder, config);
        return tokenizer;
      },
      chatTemplate: chatTemplate(folder),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

function weightFiles(folder: string, only: string | undefined): string[] {
  const single = join(folder, "model.safetensors");
  const indexPath = join(folder, "model.safetensors.index.json");
  const index = readJson(indexPath);
  const shards = isObject(index) && isObject(index.weight_map) ? new Set(Object.values(index.weight_map)) : undefined;
  // A shard stands for the whole it belongs to.
  if (only !== undefined && !shards?.has(basename(only))) return [only];
  if (shards !== undefined) return Array.from(shards, (name) => shardPath(folder, indexPath, name));
  if (existsSync(single)) return [single];
  throw new UserError(`Opening ${folder}: it has neither ${basename(single)} nor ${basename(indexPath)}.`);
}

/** An index names files beside it, and no others: it came from the network. */
function shardPath(folder: string, indexPath: string, name: unknown): string {
  if (typeof name === "string" && name !== "" && basename(name) === name && name !== "..") return join(folder, name);
  throw new UserError(`Reading ${indexPath}: ${JSON.stringify(name)} is not the name of a file beside it.`);
}

function tensorSources(
  tensors: readonly SafetensorsTensor[],
  architecture: Architecture,
  folder: string,
): Map<string, TensorSource> {
  const sources = new Map<string, TensorSource>();
  for (const tensor of tensors) {
    const name = canonicalFromHuggingface(tensor.name, architecture.names);
    if (name === "ignored") continue;
    if (name === undefined) {
      throw new UserError(
        `Opening ${folder}: ${architecture.title} has no tensor ${JSON.stringify(tensor.name.slice(0, 80))}.`,
        "The files are damaged, or a variant that is not supported: take another.",
      );
    }
    if (sources.has(name)) throw new UserError(`Opening ${folder}: ${name} is there twice.`, "Download it again.");
    sources.set(name, sourceOf(name, tensor, architecture.normOffset));
  }
  return sources;
}

function sourceOf(name: string, tensor: SafetensorsTensor, normOffset: number): TensorSource {
  const { type, shape } = tensor;
  const read = (): Uint8Array => tensor.file.bytes(tensor.offset, tensor.byteLength);
  const isNorm = /(^|\.)(norm|postNorm)$/.test(name);
  if (!isNorm || normOffset === 0) return { name, type, shape, bytes: read };
  const bytes = (): Uint8Array => {
    const values = new Float32Array(shape[0] ?? 0);
    dequantize(type, read(), values.length, values);
    for (let i = 0; i < values.length; i++) values[i]! += normOffset;
    return new Uint8Array(values.buffer);
  };
  return { name, type: "F32", shape, bytes };
}

function readTokenizer(folder: string, modelConfig: unknown): Tokenizer {
  const path = join(folder, "tokenizer.json");
  const json = readJson(path);
  if (json === undefined)
    throw new UserError(`Opening ${folder}: ${path} is missing.`, "Download it beside the weights.");
  const tokenizerConfig = readJson(join(folder, "tokenizer_config.json"));
  const generationConfig = readJson(join(folder, "generation_config.json"));
  return tokenizerFromJson(json, { tokenizerConfig, generationConfig, modelConfig });
}

/** A file of its own since Transformers 4.43; before, a string, or a list of named ones, in tokenizer_config.json. */
function chatTemplate(folder: string): string | undefined {
  const path = join(folder, "chat_template.jinja");
  if (existsSync(path)) return readFileSync(path, "utf8");
  const config = readJson(join(folder, "tokenizer_config.json"));
  const template = isObject(config) ? config.chat_template : undefined;
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return undefined;
  const named = template.find((t: unknown) => isObject(t) && t.name === "default");
  return isObject(named) && typeof named.template === "string" ? named.template : undefined;
}
