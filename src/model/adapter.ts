/**
 * Low-rank adapters (Hu et al., ICLR 2022): a weight W [N, K] becomes W + s B A, with A [r, K] and B [N, r]. Read from what PEFT
 * writes (a folder, or one .safetensors file) and from llama.cpp's GGUF; several stand side by side in one model, and each
 * token of a batch goes through its own or through none.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { type Architecture, loadArchitecture } from "./architecture.ts";
import type { Checkpoint, ModelConfig, TensorSource } from "./checkpoint.ts";
import { dequantize } from "./dequantize.ts";
import { readGguf } from "./gguf.ts";
import { permutedHeads, unpermute } from "./gguf-checkpoint.ts";
import { canonicalFromGguf } from "./gguf-names.ts";
import { canonicalFromHuggingface } from "./huggingface-names.ts";
import { readJson } from "./json-file.ts";
import { type MappedFile, mapFile } from "./mapped-file.ts";
import { readSafetensors, safetensorsMetadata } from "./safetensors-file.ts";
import { weightBytes } from "./weight-type.ts";

/** What is added to one weight; `scale` is in `b` already. */
export interface LowRank {
  readonly rank: number;
  /** [r, K] */
  readonly a: Float32Array;
  /** [N, r] */
  readonly b: Float32Array;
}

/** By the canonical name of the weight. */
export type Adapter = ReadonlyMap<string, LowRank>;

type Base = Pick<Checkpoint, "config" | "tensors" | "name">;

/** One half as a file has it. */
interface Half {
  readonly weight: string;
  readonly part: "a" | "b";
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Opens an adapter of `base`. Throws a `UserError` where it is none, or another model's. */
export async function openAdapter(path: string, base: Base): Promise<Adapter> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new UserError(`Opening the adapter ${path}: there is no such file.`, "Check the path.");
  const from = stat.isDirectory() ? join(path, "adapter_model.safetensors") : path;
  if (!existsSync(from)) throw new UserError(`Opening the adapter ${path}: it has no adapter_model.safetensors.`);
  const architecture = await loadArchitecture(base.config.architecture, path);
  const file = await mapFile(from);
  try {
    return /\.gguf$/i.test(from) ? fromGguf(file, base, architecture) : fromPeft(file, base, architecture);
  } finally {
    file.close();
  }
}

const peftSchema = z.object({
  r: z.coerce.number().int().positive(),
  lora_alpha: z.coerce.number().positive(),
  use_rslora: z.boolean().nullish(),
  use_dora: z.boolean().nullish(),
  alpha_pattern: z.record(z.string(), z.unknown()).nullish(),
});

/** What a variant does beyond W + s B A. */
function refuse(path: string, what: string): never {
  throw new UserError(`Opening the adapter ${path}: ${what}, which is not supported.`, "Take a plain LoRA adapter.");
}

function fromPeft(file: MappedFile, base: Base, architecture: Architecture): Adapter {
  const { path } = file;
  const beside = join(dirname(path), "adapter_config.json");
  const said = readJson(beside) ?? Object.fromEntries(safetensorsMetadata(file));
  const config = peftSchema.safeParse(said).data;
  if (config === undefined) {
    throw new UserError(
      `Opening the adapter ${path}: neither adapter_config.json nor the file's metadata give r and lora_alpha.`,
      "Keep the two files together, as PEFT writes them.",
    );
  }
  if (config.use_dora) refuse(path, "it is a DoRA");
  if (Object.keys(config.alpha_pattern ?? {}).length > 0) refuse(path, "it has a pattern of scales");
  const halves = readSafetensors(file).map((tensor): Half => {
    const found = /^(?:base_model\.model\.)?(.*)\.lora_([AB])(?:\.default)?\.weight$/.exec(tensor.name);
    if (found === null) refuse(path, `it has a tensor ${JSON.stringify(tensor.name.slice(0, 80))}`);
    const weight = canonicalFromHuggingface(`${found[1]}.weight`, architecture.names);
    const values = floats(tensor.type, tensor.file.bytes(tensor.offset, tensor.byteLength), tensor.shape);
    const part = found[2] === "A" ? "a" : "b";
    return { weight: knownWeight(path, base, weight, tensor.name), part, shape: tensor.shape, values };
  });
  const scale = (rank: number): number => config.lora_alpha / (config.use_rslora ? Math.sqrt(rank) : rank);
  return paired(path, base, halves, scale);
}

function fromGguf(file: MappedFile, base: Base, architecture: Architecture): Adapter {
  const { path } = file;
  const { metadata, tensors } = readGguf(file);
  const alpha = metadata.get("adapter.lora.alpha");
  if (metadata.get("adapter.type") !== "lora" || typeof alpha !== "number") {
    throw new UserError(`Opening the adapter ${path}: its metadata do not say that it is a LoRA, and its alpha.`);
  }
  const halves = Array.from(tensors.values(), (tensor): Half => {
    const found = /^(.*)\.lora_([ab])$/.exec(tensor.name);
    if (found === null) refuse(path, `it has a tensor ${JSON.stringify(tensor.name.slice(0, 80))}`);
    const weight = knownWeight(path, base, canonicalFromGguf(found[1]!), tensor.name);
    const raw = file.bytes(tensor.offset, tensor.byteLength);
    const heads = found[2] === "b" ? permutedHeads(architecture, weight, base.config) : undefined;
    const values = floats(tensor.type, heads === undefined ? raw : unpermute(raw, tensor, heads), tensor.shape);
    return { weight, part: found[2] as "a" | "b", shape: tensor.shape, values };
  });
  return paired(path, base, halves, (rank) => alpha / rank);
}

function floats(type: TensorSource["type"], bytes: Uint8Array, shape: readonly number[]): Float32Array {
  const count = shape.reduce((n, d) => n * d, 1);
  const values = new Float32Array(count);
  dequantize(type, bytes.subarray(0, weightBytes(type, count)), count, values);
  return values;
}

function knownWeight(path: string, { tensors, name }: Base, weight: string | undefined, tensor: string): string {
  if (weight?.startsWith("layer.") && tensors.get(weight)?.shape.length === 2) return weight;
  throw new UserError(
    `Opening the adapter ${path}: ${JSON.stringify(tensor.slice(0, 80))} belongs to no matrix in a layer of ${name}.`,
    "It is another model's adapter, or one of embeddings, which are not supported.",
  );
}

function paired(path: string, base: Base, halves: readonly Half[], scale: (rank: number) => number): Adapter {
  const adapter = new Map<string, LowRank>();
  for (const weight of new Set(halves.map((half) => half.weight))) {
    const [a, b] = (["a", "b"] as const).map((part) => halves.find((h) => h.weight === weight && h.part === part));
    const [n, k] = base.tensors.get(weight)!.shape as [number, number];
    if (a === undefined || b === undefined) {
      throw new UserError(`Opening the adapter ${path}: ${weight} has one half only.`, "Download it again.");
    }
    const rank = a.shape[0]!;
    if (`${a.shape} ${b.shape}` !== `${[rank, k]} ${[n, rank]}`) {
      throw new UserError(
        `Opening the adapter ${path}: for ${weight} it has [${a.shape}] and [${b.shape}]; [r, ${k}] and [${n}, r] fit.`,
        `It is an adapter of another model than ${base.name}.`,
      );
    }
    adapter.set(weight, { rank, a: a.values, b: b.values.map((x) => x * scale(rank)) });
  }
  if (adapter.size === 0) throw new UserError(`Opening the adapter ${path}: it is empty.`);
  return adapter;
}

/** The checkpoint with adapters beside its weights: their As below one another, their Bs side by side. */
export function withAdapters(checkpoint: Checkpoint, named: ReadonlyMap<string, Adapter>): Checkpoint {
  if (named.size === 0) return checkpoint;
  const all = [...named.values()];
  const ranks = all.map((adapter) => Math.max(...Array.from(adapter.values(), (part) => part.rank)));
  const from = ranks.map((_, i) => ranks.slice(0, i).reduce((sum, r) => sum + r, 0));
  const rank = ranks.reduce((sum, r) => sum + r, 0);
  const tensors = new Map(checkpoint.tensors);
  for (const weight of new Set(all.flatMap((adapter) => [...adapter.keys()]))) {
    const [n, k] = checkpoint.tensors.get(weight)!.shape as [number, number];
    const a = new Float32Array(rank * k);
    const b = new Float32Array(n * rank);
    for (const [i, adapter] of all.entries()) {
      const part = adapter.get(weight);
      if (part === undefined) continue;
      a.set(part.a, from[i]! * k);
      for (let row = 0; row < n; row++) {
        b.set(part.b.subarray(row * part.rank, (row + 1) * part.rank), row * rank + from[i]!);
      }
    }
    for (const [part, values, shape] of [["a", a, [rank, k]] as const, ["b", b, [n, rank]] as const]) {
      const name = `${weight}.lora.${part}`;
      const bytes = new Uint8Array(values.buffer);
      tensors.set(name, { name, type: "F32", shape, bytes: () => bytes });
    }
  }
  const config: ModelConfig = { ...checkpoint.config, adapterRank: rank };
  const adapters = Array.from(named.keys(), (name, i) => ({ name, from: from[i]!, to: from[i]! + ranks[i]! }));
  return {
    ...checkpoint,
    config,
    tensors,
    adapters,
    get tokenizer() {
      return checkpoint.tokenizer;
    },
  };
}
