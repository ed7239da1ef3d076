/** Opens a model, whatever its format, by looking at it: GGUF's magic number, or a folder with config.json. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../core/errors.ts";
import { buildGraph } from "./architecture.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { ggufMagic } from "./gguf.ts";
import { ggufCheckpoint } from "./gguf-checkpoint.ts";
import { mapFile } from "./mapped-file.ts";
import { safetensorsCheckpoint } from "./safetensors.ts";

/**
 * Opens a GGUF file, a folder of safetensors, or one .safetensors file in such a folder. Every weight that the model needs
 * is there, in its shape. Throws a `UserError` that says what was read, what is wrong and what to do.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new UserError(
      `Opening ${path}: there is no such file.`,
      "Check the path, or fetch a model with `heddle pull`.",
    );
  }
  const checkpoint = stat.isDirectory() ? await safetensorsCheckpoint(path) : await openFile(path);
  try {
    await checkWeights(checkpoint);
    return checkpoint;
  } catch (error) {
    checkpoint.close();
    throw error;
  }
}

async function openFile(path: string): Promise<Checkpoint> {
  if (/\.safetensors$/i.test(path)) return safetensorsCheckpoint(dirname(path), path);
  const file = await mapFile(path);
  try {
    if (file.size >= 4) {
      const head = file.bytes(0, 4);
      const magic = new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
      if (magic === ggufMagic) return await ggufCheckpoint(file);
    }
    throw new UserError(
      `Opening ${path}: it is not a GGUF file (${file.size} bytes, which do not begin with "GGUF").`,
      "Give a GGUF file or a folder with config.json and safetensors; if it should be one, download it again.",
    );
  } catch (error) {
    file.close();
    throw error;
  }
}

/** The graph is the list of what a model needs. */
async function checkWeights(checkpoint: Checkpoint): Promise<void> {
  const { path, tensors } = checkpoint;
  const graph = await buildGraph(checkpoint);
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const found = tensors.get(op.name);
    const hint = "The file is incomplete or of another kind: download it again.";
    if (found === undefined) throw new UserError(`Opening ${path}: the weight ${op.name} is missing.`, hint);
    if (`${found.shape}` !== `${type.shape}`) {
      throw new UserError(`Opening ${path}: ${op.name} is [${found.shape}], and should be [${type.shape}].`, hint);
    }
  }
}
